/* SPDX-License-Identifier: MIT
 *
 * search.c - finds the picture that fits a sentence: embed the pictures once,
 * embed the sentence, take the nearest.
 *
 * Build: cc search.c $(pkg-config --cflags --libs clipc)
 */
#include <clipc.h>

#include <stdio.h>
#include <stdlib.h>

enum { N_PICTURES = 3 };

static const char *const pictures[N_PICTURES] = {
    "red-convertible.png", "green-sports-car.jpg", "yellow-van.png"
};

int main(int argc, char **argv)
{
    const clipc_text sentence = CLIPC_TEXT("a yellow van");
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image_params params = clipc_image_params_default();
    clipc_model *model = NULL;
    clipc_ctx *ctx = NULL;
    clipc_image *images[N_PICTURES] = { NULL };
    float *vectors = NULL; /* [N_PICTURES, dim] */
    float *query = NULL;   /* [dim] */
    clipc_result nearest;
    int status = 1;

    if (argc != 3) {
        fprintf(stderr, "usage: %s MODEL PICTURE-DIR\n", argv[0]);
        return 2;
    }
    if (clipc_model_open(&model, argv[1], NULL, &err) ||
        clipc_ctx_create(&ctx, model, NULL, &err))
        goto done;

    params.fit = model; /* keep only the pixels that the model sees */
    for (int i = 0; i < N_PICTURES; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", argv[2], pictures[i]);
        if (clipc_image_read_file(&images[i], path, &params, &err))
            goto done;
    }

    size_t dim = clipc_model_dim(model);
    vectors = malloc(N_PICTURES * dim * sizeof *vectors);
    query = malloc(dim * sizeof *query);
    if (!vectors || !query)
        goto done;
    if (clipc_encode_images(ctx, images, N_PICTURES, vectors, 0, &err) ||
        clipc_encode_texts(ctx, &sentence, 1, query, 0, &err) ||
        clipc_similarity_topk(ctx, query, 1, vectors, N_PICTURES, dim, 1,
                              &nearest, &err))
        goto done;
    printf("%s: %s\n", sentence.data, pictures[nearest.index]);
    status = 0;
done:
    if (status)
        fprintf(stderr, "%s\n", *err.message ? err.message : "out of memory");
    free(query);
    free(vectors);
    for (int i = 0; i < N_PICTURES; i++)
        clipc_image_free(images[i]);
    clipc_ctx_free(ctx);
    clipc_model_free(model);
    return status;
}
