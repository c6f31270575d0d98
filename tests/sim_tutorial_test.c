/* The program of docs/testing.md: it fails, says why, and its schedule fails again. */
#include "support/run.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TUTORIAL SP_TEST_BIN_DIR "/sim_tutorial"

/* The file that the report names after `again`. */
static void schedule_path(const char *report, char path[512])
{
    const char *at = strstr(report, "--replay ");
    CHECK(at != NULL);
    CHECK_INT(sscanf(at, "--replay %511s", path), 1);
}

static void tutorial_run(const char *folder, const char *const *args,
                         struct sp_test_output *out_output)
{
    sp_test_run(&(struct sp_test_command){ .program = TUTORIAL, .args = args, .dir = folder },
                out_output);
    CHECK_INT(out_output->status, 1);
    CHECK_CONTAINS(out_output->out, "2 visitors came, 1 were counted");
    CHECK_CONTAINS(out_output->out, "<== race with ");
    CHECK_CONTAINS(out_output->out, "read 0 --> counter, in visitor at flaky_counter.c:34");
    CHECK_CONTAINS(out_output->out, "write 1 --> counter");
}

static void folder_remove(const char *folder)
{
    struct sp_test_output output;
    sp_test_run(&(struct sp_test_command){ .program = "rm",
                                           .args = (const char *const[]){ "-r", folder, NULL } },
                &output);
    sp_test_output_free(&output);
}

TEST(the_tutorial_finds_its_race_and_finds_it_again)
{
    struct sp_test_output output;
    char path[512];
    char folder[] = "/tmp/sim_tutorial.XXXXXX";
    CHECK(mkdtemp(folder) != NULL);
    tutorial_run(folder, (const char *const[]){ NULL }, &output);
    CHECK_CONTAINS(output.out, "0 passed, 1 failed");
    schedule_path(output.out, path);
    sp_test_output_free(&output);
    tutorial_run(folder, (const char *const[]){ "--replay", path, NULL }, &output);
    sp_test_output_free(&output);
    folder_remove(folder);
}

/* What does not depend on which of the two visitors is first, or on the search. */
TEST(the_document_shows_what_the_tutorial_prints)
{
    struct sp_test_output output;
    struct sp_test_output document;
    sp_test_run(
        &(struct sp_test_command){
            .program = TUTORIAL,
            .args = (const char *const[]){ "--replay", "every_visitor_counts.sim", NULL },
            .dir = SP_TEST_SOURCE_DIR "/tests/sim_golden" },
        &output);
    sp_test_run(
        &(struct sp_test_command){
            .program = "cat",
            .args = (const char *const[]){ SP_TEST_SOURCE_DIR "/docs/testing.md", NULL } },
        &document);
    char *story = strstr(output.out, "\n\n");
    char *end = story == NULL ? NULL : strstr(story, "\nfiles ");
    CHECK(story != NULL);
    if (end != NULL)
        *end = '\0';
    CHECK_CONTAINS(document.out, story);
    sp_test_output_free(&document);
    sp_test_output_free(&output);
}

TEST(what_it_writes_beside_a_schedule_is_a_picture_and_json)
{
    struct sp_test_output output;
    char folder[] = "/tmp/sim_tutorial.XXXXXX";
    CHECK(mkdtemp(folder) != NULL);
    tutorial_run(folder, (const char *const[]){ "--output", ".", NULL }, &output);
    sp_test_output_free(&output);
    sp_test_run(
        &(struct sp_test_command){
            .program = "python3",
            .args =
                (const char *const[]){
                    "-c",
                    "import glob,json,xml.dom.minidom as m\n"
                    "lines=[json.loads(l) for l in open(glob.glob('*.jsonl')[0])]\n"
                    "assert lines[0]['agreed']==lines[0]['replays']>0, lines[0]\n"
                    "assert any(l['kind']=='race' and l['swapped_passes'] for l in lines)\n"
                    "assert sum('races_with' in l for l in lines)==2\n"
                    "svg=open(glob.glob('*.svg')[0]).read(); m.parseString(svg)\n"
                    "assert 'race with' in svg and 'href' not in svg\n",
                    NULL },
            .dir = folder },
        &output);
    CHECK_STR(output.err, "");
    CHECK_INT(output.status, 0);
    sp_test_output_free(&output);
    folder_remove(folder);
}

/* The schedule that passes, which is written beside the other. */
TEST(the_nearest_schedule_that_passes_passes)
{
    struct sp_test_output output;
    char folder[] = "/tmp/sim_tutorial.XXXXXX";
    char path[512];
    CHECK(mkdtemp(folder) != NULL);
    tutorial_run(folder, (const char *const[]){ "--output", ".", NULL }, &output);
    schedule_path(output.out, path);
    sp_test_output_free(&output);
    (void)strcpy(path + strlen(path) - 4, ".pass.sim");
    sp_test_run(&(struct sp_test_command){ .program = TUTORIAL,
                                           .args = (const char *const[]){ "--replay", path, NULL },
                                           .dir = folder },
                &output);
    CHECK_INT(output.status, 0);
    CHECK_CONTAINS(output.out, "the schedule passes");
    sp_test_output_free(&output);
    folder_remove(folder);
}

TEST(a_file_that_is_no_schedule_is_refused_by_name)
{
    struct sp_test_output output;
    sp_test_run(
        &(struct sp_test_command){ .program = TUTORIAL,
                                   .args = (const char *const[]){ "--replay", "/dev/null", NULL } },
        &output);
    CHECK_INT(output.status, 2);
    CHECK_CONTAINS(output.err, "/dev/null");
    sp_test_output_free(&output);
}
