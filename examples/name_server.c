/* A name server: who is where? A server with two operations, known by a name.
 *
 * What a handler returns is what the call returns: `find` of a name that nobody added is
 * SP_ERR_NOTFOUND at the caller, and the server goes on. Its entries are memory of its
 * process: there is no terminate function that frees them, they go when it ends.
 */
#include <spawned/spawned.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the protocol (in a larger program: name_server.h) ---- */

/* Messages are copied from process to process, so they are plain structs without pointers. */
struct entry {
    char name[32];
    char place[32];
};
struct name {
    char text[32];
};

SP_SERVER(name_server, sp_empty);
SP_CALL(name_server, add, struct entry, sp_empty);
SP_CALL(name_server, find, struct name, struct entry);

/* ---- the server (name_server.c) ---- */

struct node {
    struct entry entry;
    struct node *next;
};
struct name_server {
    struct node *first;
};

static sp_err name_server_init(struct name_server *self, const sp_empty *args)
{
    (void)args;
    self->first = NULL;
    return SP_OK;
}

static const struct entry *name_server_look(const struct name_server *self, const char *name)
{
    for (const struct node *node = self->first; node != NULL; node = node->next)
        if (strcmp(node->entry.name, name) == 0)
            return &node->entry;
    return NULL;
}

static sp_err name_server_on_add(struct name_server *self, const struct entry *in, sp_empty *out)
{
    (void)out;
    if (name_server_look(self, in->name) != NULL)
        return SP_ERR_EXISTS;
    struct node *node = sp_alloc(sizeof *node); /* never NULL: without memory the process ends */
    *node = (struct node){ .entry = *in, .next = self->first };
    self->first = node;
    return SP_OK;
}

static sp_err name_server_on_find(struct name_server *self, const struct name *in,
                                  struct entry *out)
{
    const struct entry *found = name_server_look(self, in->text);
    if (found == NULL)
        return SP_ERR_NOTFOUND;
    *out = *found;
    return SP_OK;
}

SP_STATE(name_server, struct name_server);
SP_ON_INIT(name_server);
SP_ON_CALL(name_server, add);
SP_ON_CALL(name_server, find);
SP_CLASS(name_server, .init = name_server__init);

/* ---- a client ---- */

static void add(name_server_ref server, const struct entry *entry)
{
    sp_empty nothing;
    sp_err err = name_server_add(server, entry, &nothing, sp_after_sec(5));
    printf("add  %-8s %s\n", entry->name, sp_err_text(err));
}

static void find(name_server_ref server, const struct name *name)
{
    struct entry found;
    sp_err err = name_server_find(server, name, &found, sp_after_sec(5));
    printf("find %-8s %s\n", name->text, err == SP_OK ? found.place : sp_err_text(err));
}

static int run(void *arg)
{
    (void)arg;
    const struct sp_server_options options = { .spawn.name = "names" };
    if (name_server_start(&(sp_empty){ 0 }, &options, NULL) != SP_OK)
        return EXIT_FAILURE;

    /* Whoever knows the name finds the server. That it is a name_server, and not just any
     * process of that name, is checked here; the calls then need no check. */
    name_server_ref server;
    if (name_server_whereis("names", &server) != SP_OK)
        return EXIT_FAILURE;
    add(server, &(struct entry){ "ada", "London" });
    add(server, &(struct entry){ "joe", "Stockholm" });
    add(server, &(struct entry){ "ada", "Paris" });
    find(server, &(struct name){ "ada" });
    find(server, &(struct name){ "grace" });
    find(server, &(struct name){ "joe" });
    return name_server_stop(server, sp_after_sec(5)) == SP_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(void)
{
    return sp_main(run, NULL, NULL);
}
