#include <clipc.h>
#include <stdio.h>
int main(int argc, char **argv) { /* MODEL-FOLDER PICTURE */
    clipc_text names[] = { { "red convertible", 15 }, { "blue van", 8 } };
    static clipc_model *model; static clipc_ctx *ctx; static clipc_labels *labels;
    static clipc_image *image; clipc_result best; clipc_error err = CLIPC_ERROR_INIT;
    if (argc < 3 || clipc_model_open(&model, argv[1], NULL, &err) ||
        clipc_ctx_create(&ctx, model, NULL, &err) || clipc_labels_create(&labels, ctx, names, 2, NULL, &err) ||
        clipc_image_read_file(&image, argv[2], NULL, &err) || clipc_classify(ctx, labels, &image, 1, 1, &best, &err))
        return fprintf(stderr, "%s\n", err.message), 1;
    printf("%s (%.2f)\n", names[best.index].data, best.probability);
}
