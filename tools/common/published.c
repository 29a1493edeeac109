/* SPDX-License-Identifier: MIT
 *
 * published.c - see published.h.
 *
 * Shapes: the papers (arXiv 2103.00020, table 20; 2212.07143) and the configs
 * that their authors publish; n_parameters is counted from them. Digests: of
 * the 48,894 merges in OpenAI's bpe_simple_vocab_16e6.txt.gz and the
 * vocabulary that they make. Ids: transformers 5.24 and tokenizers 0.23 with
 * those merges.
 */
#include "common/published.h"

/* clang-format off */
static const tool_shape shapes[] = {
    { "ViT-B/32", 768, 12, 32, 224, 512, 12, 512, 0, 151277313 },
    { "ViT-B/16", 768, 12, 16, 224, 512, 12, 512, 0, 149620737 },
    { "ViT-L/14", 1024, 24, 14, 224, 768, 12, 768, 0, 427616513 },
    { "ViT-L/14@336px", 1024, 24, 14, 336, 768, 12, 768, 0, 427944193 },
    { "ViT-H/14", 1280, 32, 14, 224, 1024, 24, 1024, 0, 986109441 },
    { "ViT-g/14", 1408, 40, 14, 224, 1024, 24, 1024, 0, 1366678273 },
    { "ViT-bigG/14", 1664, 48, 14, 224, 1280, 32, 1280, 0, 2539567105 },
    { "SigLIP B/16@224px", 768, 12, 16, 224, 768, 12, 768, 32000, 203155970 },
    { "SigLIP B/16@256px", 768, 12, 16, 256, 768, 12, 768, 32000, 203202050 },
    { "SigLIP B/16@384px", 768, 12, 16, 384, 768, 12, 768, 32000, 203447810 },
    { "SigLIP B/16@512px", 768, 12, 16, 512, 768, 12, 768, 32000, 203791874 },
    { "SigLIP L/16@256px", 1024, 24, 16, 256, 1024, 24, 1024, 32000, 652150786 },
    { "SigLIP L/16@384px", 1024, 24, 16, 384, 1024, 24, 1024, 32000, 652478466 },
    { "SigLIP So400m/14@224px", 1152, 27, 14, 224, 1152, 27, 1152, 32000, 877360306 },
    { "SigLIP So400m/14@384px", 1152, 27, 14, 384, 1152, 27, 1152, 32000, 877960498 },
    { "SigLIP multilingual B/16@256px", 768, 12, 16, 256, 768, 12, 768, 250000, 370626050 },
    { "SigLIP multilingual So400m/16@256px", 1152, 27, 16, 256, 1152, 27, 1152, 250000, 1128758962 },
    { "SigLIP 2 B/32@256px", 768, 12, 32, 256, 768, 12, 768, 256000, 376856066 },
    { "SigLIP 2 B/16@224px", 768, 12, 16, 224, 768, 12, 768, 256000, 375187970 },
    { "SigLIP 2 B/16@256px", 768, 12, 16, 256, 768, 12, 768, 256000, 375234050 },
    { "SigLIP 2 B/16@384px", 768, 12, 16, 384, 768, 12, 768, 256000, 375479810 },
    { "SigLIP 2 B/16@512px", 768, 12, 16, 512, 768, 12, 768, 256000, 375823874 },
    { "SigLIP 2 L/16@256px", 1024, 24, 16, 256, 1024, 24, 1024, 256000, 881526786 },
    { "SigLIP 2 L/16@384px", 1024, 24, 16, 384, 1024, 24, 1024, 256000, 881854466 },
    { "SigLIP 2 L/16@512px", 1024, 24, 16, 512, 1024, 24, 1024, 256000, 882313218 },
    { "SigLIP 2 So400m/14@224px", 1152, 27, 14, 224, 1152, 27, 1152, 256000, 1135463602 },
    { "SigLIP 2 So400m/14@384px", 1152, 27, 14, 384, 1152, 27, 1152, 256000, 1136008498 },
    { "SigLIP 2 So400m/16@256px", 1152, 27, 16, 256, 1152, 27, 1152, 256000, 1135670962 },
    { "SigLIP 2 So400m/16@384px", 1152, 27, 16, 384, 1152, 27, 1152, 256000, 1136039602 },
    { "SigLIP 2 So400m/16@512px", 1152, 27, 16, 512, 1152, 27, 1152, 256000, 1136555698 },
    { "SigLIP 2 g-opt/16@256px", 1536, 40, 16, 256, 1152, 27, 1536, 256000, 1871393906 },
    { "SigLIP 2 g-opt/16@384px", 1536, 40, 16, 384, 1152, 27, 1536, 256000, 1871885426 },
};
/* clang-format on */

const tool_shape *tool_published_shape(const clipc_model_info *info)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const tool_shape *s = &shapes[i];
        if (info->vision.width == s->vision_width &&
            info->vision.n_layers == s->vision_layers &&
            info->patch_size == s->patch_size &&
            info->trained_image_size == s->image_size &&
            info->text.width == s->text_width &&
            info->text.n_layers == s->text_layers && info->dim == s->dim &&
            (s->vocab_size == 0) == (info->scoring == CLIPC_SCORING_SOFTMAX) &&
            (s->vocab_size == 0 || info->vocab_size == s->vocab_size))
            return s;
    }
    return NULL;
}

const unsigned char tool_published_tokens[TOOL_SHA256_BYTES] = {
    0xE3, 0x0E, 0x57, 0xB6, 0xF1, 0xE4, 0x76, 0x16, 0x98, 0x2E, 0xF8,
    0x98, 0xD8, 0x92, 0x2B, 0xE2, 0x4E, 0x53, 0x5B, 0x4F, 0xA3, 0xD0,
    0x11, 0x04, 0x77, 0xB3, 0xA6, 0xF0, 0x2E, 0xBB, 0xAE, 0x7D
};
const unsigned char tool_published_merges[TOOL_SHA256_BYTES] = {
    0xD3, 0x08, 0xB7, 0x37, 0x7A, 0x8C, 0xEA, 0xA9, 0x70, 0x7A, 0x21,
    0x61, 0x4F, 0xE8, 0xC8, 0x31, 0xB9, 0x19, 0x6E, 0x19, 0x7B, 0x7A,
    0xEB, 0x69, 0x83, 0x33, 0x59, 0x36, 0x29, 0x07, 0xAF, 0x02
};

#define TEXT(literal) literal, sizeof(literal) - 1

const tool_vector tool_published_vectors[] = {
    { TEXT(""), { 0 }, 0 },
    { TEXT("a photo of a cat"), { 320, 1125, 539, 320, 2368 }, 5 },
    { TEXT("A PHOTO OF A CAT!!"), { 320, 1125, 539, 320, 2368, 748 }, 6 },
    { TEXT("it's they're I'LL we've I'm he'd don't"),
      { 585, 568, 889, 982, 328, 1342, 649, 1200, 328, 880, 797, 1896, 847,
        713 },
      14 },
    { TEXT("hello   world\n\t!"), { 3306, 1002, 256 }, 3 },
    { TEXT("3.14159 2024"),
      { 274, 269, 272, 275, 272, 276, 280, 273, 271, 273, 275 },
      11 },
    /* Composed and decomposed. */
    { TEXT("caf\303\251"), { 15304 }, 1 },
    { TEXT("cafe\314\201"), { 15304 }, 1 },
    /* No rule for a sigma at the end of a word. */
    { TEXT("\316\243\316\221\316\243 \316\237\316\224\316\237\316\243"),
      { 139, 225, 138, 109, 139, 481, 138, 123, 138, 112, 138, 123, 139, 481 },
      14 },
    { TEXT("\304\260stanbul"), { 328, 16384, 11231 }, 3 },
    { TEXT("\346\227\245\346\234\254\350\252\236\343\203\206\343\202\255"
           "\343\202\271\343\203\210"),
      { 39121, 44353, 34002, 252, 2429, 228, 47121, 32421, 486 },
      9 },
    /* Emoji, and three of them joined. */
    { TEXT("\360\237\231\202\360\237\231\202\360\237\221\250\342\200\215"
           "\360\237\221\251\342\200\215\360\237\221\247"),
      { 32006, 32006, 25023, 26304, 964, 356 },
      6 },
    { TEXT("a\0b"), { 320, 444, 321 }, 3 },
    { TEXT("\302\275 \302\262 \342\205\247 \331\243"),
      { 33613, 41175, 158, 227, 371, 149, 352 },
      7 },
    /* Ligatures and full width stay what they are. */
    { TEXT("\357\254\201 \357\274\241 \357\254\200"),
      { 171, 105, 479, 171, 121, 479, 171, 105, 478 },
      9 },
};
const size_t tool_n_published_vectors = sizeof tool_published_vectors /
                                        sizeof *tool_published_vectors;

const float tool_published_mean[3] = { 0.48145466f, 0.4578275f, 0.40821073f };
const float tool_published_std[3] = { 0.26862954f, 0.26130258f, 0.27577711f };
