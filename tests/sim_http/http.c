/* The HTTP endpoint in simulation: it says that there is none, and leaves nothing behind. */
#include <spawned/http.h>
#include <spawned/sim.h>
#include <spawned/spawned.h>

static sp_err refused;

static void asker_main(void *arg)
{
    sp_http_ref http;
    (void)arg;
    refused = sp_http_start(&(struct sp_http_options){ .address = "127.0.0.1:8080" }, NULL, &http);
}

SP_SIM_TEST(there_is_no_http_in_simulation)
{
    refused = SP_OK;
    sp_sim_start(s, "asker", asker_main, NULL);
    sp_sim_run(s);
    sp_sim_check(s, refused == SP_ERR_NOTSUP, "it says %s", sp_err_text(refused));
}
