# libspawned-otlp.a: spans to an OpenTelemetry collector (src/otlp), where libcurl is found.

spawned_find_all(spawned_otlp_found SPAWNED_OTLP libspawned-otlp CURL)
if(spawned_otlp_found)
    spawned_add_part(otlp CURL curl)
    # What decodes what is sent, in its test.
    find_program(SPAWNED_PROTOC protoc)
endif()
