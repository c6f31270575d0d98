/* Words of all files in a directory, counted by tasks, so many at a time.
 *
 *     word_count [DIRECTORY [AT_A_TIME]]        default: the current one, 8
 *
 * Each file is a task. Reading blocks, so it goes to a thread for such work and the task is
 * suspended meanwhile; counting runs on the workers. A file that cannot be read fails its own task
 * and no other. On a terminal a bar shows how far it is.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <spawned/spawned.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PATH_SIZE = 512,
    BAR_WIDTH = 40,
};

struct file {
    char path[PATH_SIZE];
};

struct count {
    uint64_t words;
    uint64_t bytes;
};

/* ---- one file ---- */

struct reading {
    const char *path;
    FILE *file;
    char *bytes; /* of the C library: the thread that reads is no process */
    size_t size;
    int error; /* errno, or 0 */
};

static void read_whole(void *data)
{
    struct reading *reading = data;
    struct stat about;
    size_t room;
    reading->file = fopen(reading->path, "re");
    if (reading->file == NULL || fstat(fileno(reading->file), &about) != 0) {
        reading->error = errno;
        return;
    }
    room = (size_t)about.st_size;
    reading->bytes = malloc(room + 1);
    if (reading->bytes == NULL)
        reading->error = ENOMEM;
    else
        reading->size = fread(reading->bytes, 1, room, reading->file);
    if (reading->error == 0 && ferror(reading->file))
        reading->error = EIO;
    if (fclose(reading->file) != 0 && reading->error == 0)
        reading->error = EIO;
}

static void count_words(const char *bytes, size_t size, struct count *out)
{
    bool inside = false;
    for (size_t i = 0; i < size; i++) {
        bool space = isspace((unsigned char)bytes[i]) != 0;
        out->words += inside && space;
        inside = !space;
    }
    out->words += inside;
    out->bytes = size;
}

SP_TASK(word_count, struct file, struct count);

static sp_err word_count_run(const struct file *in, struct count *out)
{
    struct reading reading = { .path = in->path };
    sp_err err = sp_blocking(read_whole, &reading, sizeof(reading), sp_never());
    if (err == SP_OK && reading.error != 0)
        err = SP_ERR_IO;
    if (err == SP_OK)
        count_words(reading.bytes, reading.size, out);
    free(reading.bytes);
    return err;
}
SP_ON_TASK(word_count);

/* ---- all files ---- */

struct job {
    const char *directory;
    uint32_t at_a_time;
    struct file *files;
    size_t count;
    size_t done;
    bool terminal;
};

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && entry->d_type == DT_REG;
}

static bool list_files(struct job *job)
{
    struct dirent **entries;
    int count = scandir(job->directory, &entries, is_visible, alphasort);
    if (count < 0)
        return false;
    job->files = sp_alloc((size_t)(count + 1) * sizeof(struct file));
    for (int i = 0; i < count; i++) {
        int length = snprintf(job->files[job->count].path, PATH_SIZE, "%s/%s", job->directory,
                              entries[i]->d_name);
        job->count += length < PATH_SIZE;
        free(entries[i]);
    }
    free(entries);
    return true;
}

static void show_bar(const struct sp_task_done *done, void *arg)
{
    struct job *job = arg;
    (void)done;
    job->done++;
    if (!job->terminal)
        return;
    int width = (int)(job->done * BAR_WIDTH / job->count);
    fprintf(stderr, "\r[%.*s%*s] %zu of %zu", width, "########################################",
            BAR_WIDTH - width, "", job->done, job->count);
    if (job->done == job->count)
        fprintf(stderr, "\r%*s\r", BAR_WIDTH + 32, "");
}

static int run(void *arg)
{
    struct job *job = arg;
    if (!list_files(job)) {
        fprintf(stderr, "word_count: %s: %s\n", job->directory, strerror(errno));
        return EXIT_FAILURE;
    }
    struct count *counts = sp_alloc((job->count + 1) * sizeof(*counts));
    sp_err *errs = sp_alloc((job->count + 1) * sizeof(*errs));
    struct sp_task_map_options how = { .running_max = job->at_a_time,
                                       .on_done = show_bar,
                                       .arg = job };
    sp_err err = word_count_map(job->files, job->count, counts, errs, &how, sp_never());
    struct count all = { 0 };
    for (size_t i = 0; i < job->count; i++) {
        if (errs[i] != SP_OK)
            fprintf(stderr, "word_count: %s: %s\n", job->files[i].path, sp_err_text(errs[i]));
        all.words += counts[i].words;
        all.bytes += counts[i].bytes;
    }
    printf("%zu files, %llu words, %llu bytes\n", job->count, (unsigned long long)all.words,
           (unsigned long long)all.bytes);
    return err == SP_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct job job = { .directory = argc > 1 ? argv[1] : ".",
                       .at_a_time = 8,
                       .terminal = isatty(STDERR_FILENO) };
    if (argc > 2)
        job.at_a_time = (uint32_t)strtoul(argv[2], NULL, 10);
    if (argc > 3 || job.at_a_time == 0) {
        fprintf(stderr, "usage: word_count [DIRECTORY [AT_A_TIME]]\n");
        return EXIT_FAILURE;
    }
    return sp_main(run, &job, NULL);
}
