#include <clipc.h>
#include <stdio.h>

int main(int argc, char **argv) /* MODEL PICTURE */
{
    const clipc_text names[] = { CLIPC_TEXT("red convertible"),
                                 CLIPC_TEXT("blue van") };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model *model = NULL;
    clipc_ctx *ctx = NULL;
    clipc_labels *labels = NULL;
    clipc_result best;

    if (argc != 3 ||
        clipc_model_open(&model, argv[1], NULL, &err) ||
        clipc_ctx_create(&ctx, model, NULL, &err) ||
        clipc_labels_create(&labels, ctx, names, 2, NULL, &err) ||
        clipc_classify_file(ctx, labels, argv[2], NULL, 1, &best, &err))
        fprintf(stderr, "%s\n", argc != 3 ? "usage: MODEL PICTURE" : err.message);
    else
        printf("%s (%.2f)\n", clipc_labels_name(labels, best.index).data,
               best.probability);
    clipc_labels_free(labels);
    clipc_ctx_free(ctx);
    clipc_model_free(model);
}
