#include <clipc.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) /* MODEL PICTURE TEXT */
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image_params params = clipc_image_params_default();
    clipc_model *model = NULL;
    clipc_ctx *ctx = NULL;
    clipc_image *image = NULL;
    clipc_text text;
    float *vectors = NULL; /* [2, dim]: of the picture, of the text */
    float cosine;
    size_t dim;
    int status = 1;

    if (argc != 4) {
        fprintf(stderr, "usage: %s MODEL PICTURE TEXT\n", argv[0]);
        return 2;
    }
    text = clipc_text_from(argv[3]);
    if (clipc_model_open(&model, argv[1], NULL, &err) ||
        clipc_ctx_create(&ctx, model, NULL, &err))
        goto done;
    dim = clipc_model_dim(model);
    vectors = malloc(2 * dim * sizeof *vectors);
    if (!vectors)
        goto done;
    params.fit = model; /* keep only the pixels that the model sees */
    if (clipc_image_read_file(&image, argv[2], &params, &err) ||
        clipc_encode_images(ctx, &image, 1, vectors, 0, &err) ||
        clipc_encode_texts(ctx, &text, 1, vectors + dim, 0, &err) ||
        clipc_similarity(ctx, vectors, 1, vectors + dim, 1, dim, &cosine,
                         0, &err))
        goto done;
    printf("%.2f\n", cosine);
    status = 0;
done:
    if (status)
        fprintf(stderr, "%s\n",
                *err.message ? err.message : "out of memory");
    free(vectors);
    clipc_image_free(image);
    clipc_ctx_free(ctx);
    clipc_model_free(model);
    return status;
}
