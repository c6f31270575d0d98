/* spawned kill: ends a process, where the endpoint's option `control` allows it. */
#include "commands.h"
#include "process.h"
#include "text.h"
#include "value.h"

#include <stdio.h>

enum status kill_run(const struct options *options, struct client *client)
{
    char path[PROCESS_PATH_MAX];
    char shown[PROCESS_PID_MAX];
    char name[512];
    json_t *process = NULL;
    json_t *answer = NULL;
    enum status status = process_find(client, options->target, &process);
    if (status != STATUS_OK)
        return status;
    const char *pid = value_text(process, "pid");
    if (pid == NULL)
        status = client_fail(client, STATUS_ANSWER, "a process without a pid");
    snprintf(path, sizeof(path), "/api/processes/%.64s/kill", pid == NULL ? "" : pid);
    if (status == STATUS_OK)
        status = client_post(client, path, &answer);
    if (status == STATUS_OK && options->json) {
        print_json_line(answer);
    } else if (status == STATUS_OK) {
        text_show(shown, sizeof(shown), pid, sizeof(shown));
        print("killed %s %s\n", shown, value_name(name, sizeof(name), process));
    }
    json_decref(answer);
    json_decref(process);
    return status;
}
