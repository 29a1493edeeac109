#include <clipc.h>
#include <stdio.h>
int main(int argc, char **argv) /* MODEL-DIR PICTURE */
{
    clipc_text names[] = { { "a red car", 9 }, { "a blue car", 10 } };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model *model; clipc_ctx *ctx; clipc_labels *labels; clipc_image *image; clipc_result best;
    if (argc < 3 || clipc_model_open(&model, argv[1], NULL, &err) || clipc_ctx_create(&ctx, model, NULL, &err) || clipc_labels_create(&labels, ctx, names, 2, NULL, &err) ||
        clipc_image_read_file(&image, argv[2], NULL, &err) || clipc_classify(ctx, labels, &image, 1, 1, &best, &err))
        return fprintf(stderr, "%s\n", err.message), 1;
    return printf("%s (%.2f)\n", names[best.index].data, best.probability) < 0;
}
