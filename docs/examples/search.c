/* SPDX-License-Identifier: MIT
 *
 * search.c - finds the pictures that fit a sentence: embed the pictures once,
 * embed the sentence, take the nearest.
 *
 * Build: cc search.c $(pkg-config --cflags --libs clipc)
 */
#include <clipc.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_PICTURES = 3, TOP = 1 };

static const char *const pictures[N_PICTURES] = {
    "red-convertible.png", "green-sports-car.jpg", "yellow-van.png"
};

int main(int argc, char **argv)
{
    static const char sentence[] = "a yellow van";
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image_params image_params = clipc_image_params_default();
    clipc_model_info info = { .struct_size = sizeof info };
    clipc_model *model = NULL;
    clipc_ctx *ctx = NULL;
    clipc_image *images[N_PICTURES] = { NULL };
    clipc_result nearest[TOP];
    clipc_text query = { sentence, strlen(sentence) };
    float *vectors = NULL;
    int status = 1;

    if (argc < 3) {
        fprintf(stderr, "usage: %s MODEL-DIR PICTURE-DIR\n", argv[0]);
        return 2;
    }
    if (clipc_model_open(&model, argv[1], NULL, &err) ||
        clipc_model_get_info(model, &info, &err) ||
        clipc_ctx_create(&ctx, model, NULL, &err))
        goto done;

    image_params.fit = model; /* keep only what the model looks at */
    for (int i = 0; i < N_PICTURES; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", argv[2], pictures[i]);
        if (clipc_image_read_file(&images[i], path, &image_params, &err))
            goto done;
    }

    /* One row a picture, and a last one for the sentence. */
    vectors = malloc((N_PICTURES + 1) * info.dim * sizeof *vectors);
    if (!vectors)
        goto done;
    float *text_vector = vectors + N_PICTURES * info.dim;
    if (clipc_encode_images(ctx, images, N_PICTURES, vectors, 0, &err) ||
        clipc_encode_texts(ctx, &query, 1, text_vector, 0, &err) ||
        clipc_similarity_topk(ctx, text_vector, 1, vectors, N_PICTURES,
                              info.dim, TOP, nearest, &err))
        goto done;
    printf("%s: %s\n", sentence, pictures[nearest[0].index]);
    status = 0;
done:
    if (status)
        fprintf(stderr, "%s\n", err.message);
    free(vectors);
    for (int i = 0; i < N_PICTURES; i++)
        clipc_image_free(images[i]);
    clipc_ctx_free(ctx);
    clipc_model_free(model);
    return status;
}
