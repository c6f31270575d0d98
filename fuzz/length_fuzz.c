/* Fuzz target: the decoder and encoder of frames with their length in front. Two bytes choose
 * the form and the pieces.
 */
#include "decoder_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct sp_length_options options = { .frame_max = (size_t)(data[0] >> 5) * 100 };
    if (data[0] & 16) {
        options.form = SP_LENGTH_VARINT;
    } else {
        options.width = 1u << (data[0] & 3);
        options.little_endian = (data[0] & 4) != 0;
        options.self = (data[0] & 8) != 0;
    }
    char state[64] = { 0 };
    FUZZ_CHECK(sizeof(state) >= sp_length.state_size);
    FUZZ_CHECK(sp_length.init(state, &options) == SP_OK);
    fuzz_decoder(
        &(struct fuzz_case){
            .codec = &sp_length,
            .options = &options,
            .bytes = data + 2,
            .size = size - 2,
            .encoder_state = state,
        },
        data[1]);
    return 0;
}
