/* Fuzz target: the decoder and encoder of lines. Two bytes choose the limit and the pieces. */
#include "decoder_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct sp_lines_options options = { .line_max = data[0] & 0x7f, .crlf = data[0] >> 7 };
    char state[64] = { 0 };
    FUZZ_CHECK(sizeof(state) >= sp_lines.state_size);
    FUZZ_CHECK(sp_lines.init(state, &options) == SP_OK);
    fuzz_decoder(
        &(struct fuzz_case){
            .codec = &sp_lines,
            .options = &options,
            .bytes = data + 2,
            .size = size - 2,
            .encoder_state = state,
        },
        data[1]);
    return 0;
}
