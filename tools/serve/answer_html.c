/* SPDX-License-Identifier: MIT
 *
 * answer_html.c - see answer_html.h. Labels, names and messages are hostile:
 * each goes through serve_put_html().
 */
#include "serve/answer_html.h"

#include "serve/png.h"

#include <stdio.h>
#include <string.h>

serve_percent serve_percent_of(float share)
{
    serve_percent percent;

    snprintf(percent.text, sizeof percent.text, "%.1f%%",
             100.0 * (double)share);
    if (share < 1 && strcmp(percent.text, "100.0%") == 0)
        memcpy(percent.text, ">99.9%", sizeof ">99.9%");
    if (share > 0 && strcmp(percent.text, "0.0%") == 0)
        memcpy(percent.text, "<0.1%", sizeof "<0.1%");
    return percent;
}

static void put_string(serve_buffer *out, const char *text)
{
    serve_put_html(out, text, strlen(text));
}

static void put_row(serve_buffer *out, clipc_text label,
                    const clipc_result *result)
{
    serve_puts(out, "<li><div class=\"line\"><span dir=\"auto\">");
    serve_put_html(out, label.data, label.len);
    serve_puts(out, "</span><span>");
    put_string(out, serve_percent_of(result->probability).text);
    serve_putf(out,
               "</span></div>\n<svg class=\"bar\" viewBox=\"0 0 1 1\" "
               "preserveAspectRatio=\"none\" aria-hidden=\"true\">"
               "<rect height=\"1\" width=\"%.6f\"/></svg>\n"
               "<span class=\"soft\">cosine %.4f &middot; logit %.2f</span>"
               "</li>\n",
               (double)result->probability, (double)result->cosine,
               (double)result->logit);
}

static void put_figure(serve_buffer *out, const clipc_image_info *info)
{
    serve_puts(out, "<figure><img alt=\"The picture as the network sees it\" "
                    "src=\"");
    serve_put_png_url(out, info->pixels, info->pixels_width,
                      info->pixels_height);
    serve_putf(out,
               "\"><figcaption class=\"soft\">What the network sees: %zu "
               "&times; %zu pixels</figcaption></figure>\n",
               info->pixels_width, info->pixels_height);
}

static void put_ranking(serve_buffer *out, const serve_request *request,
                        const serve_answer *answer)
{
    serve_puts(out, "<div><h2>Most likely</h2><ol>\n");
    for (size_t i = 0; i < answer->k; i++)
        put_row(out, serve_answer_label(answer, i), &answer->results[i]);
    serve_puts(out, "</ol><p class=\"soft\">");
    if (request->model->info.scoring == CLIPC_SCORING_SIGMOID)
        serve_putf(out,
                   "Sigmoid: each of %zu labels is judged by itself; the "
                   "shares need not add up to 100%%.",
                   answer->set->n);
    else
        serve_putf(out,
                   "Softmax: the shares of %zu labels add up to 100%%, also "
                   "where none of them fits.",
                   answer->set->n);
    if (answer->k > 1)
        serve_putf(out, " The first is %.2f logits before the second.",
                   (double)answer->results[0].logit -
                       (double)answer->results[1].logit);
    serve_puts(out, "</p></div>\n");
}

/* ---- facts ------------------------------------------------------------- */

static void begin_fact(serve_buffer *out, const char *term)
{
    serve_putf(out, "<div><dt>%s</dt><dd>", term);
}

static void end_fact(serve_buffer *out)
{
    serve_puts(out, "</dd></div>\n");
}

static void put_size(serve_buffer *out, size_t n)
{
    if (n < 1000)
        serve_putf(out, ", %zu B", n);
    else if (n < 1000000)
        serve_putf(out, ", %.0f kB", (double)n / 1e3);
    else
        serve_putf(out, ", %.1f MB", (double)n / 1e6);
}

static void put_time(serve_buffer *out, const serve_request *request)
{
    const serve_timing *t = &request->timing;
    const struct {
        const char *name;
        int64_t us;
    } steps[] = { { "fetch", t->fetch },
                  { "decode", t->decode },
                  { "queue", t->queue },
                  { "encode", t->encode } };
    const char *before = " (";

    serve_putf(out, "%.1f ms",
               (double)(serve_now_us() - request->started_us) / 1e3);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (steps[i].us) {
            serve_putf(out, "%s%s %.1f", before, steps[i].name,
                       (double)steps[i].us / 1e3);
            before = ", ";
        }
    if (before[0] == ',')
        serve_puts(out, ")");
}

static void put_facts(serve_buffer *out, const serve_request *request,
                      const serve_question *question,
                      const clipc_image_info *info)
{
    serve_puts(out, "<dl>");
    begin_fact(out, "Picture");
    serve_putf(out, "%s, %zu &times; %zu", info->format, info->width,
               info->height);
    if (!question->url)
        put_size(out, question->image_bytes);
    end_fact(out);
    if (info->orientation > 1) {
        begin_fact(out, "EXIF orientation");
        serve_putf(out, "%d, %s", info->orientation,
                   question->upright ? "turned upright" : "not turned");
        end_fact(out);
    }
    begin_fact(out, "Warnings");
    if (info->n_warnings)
        serve_putf(out, "%u %s of damage repaired", info->n_warnings,
                   info->n_warnings == 1 ? "place" : "places");
    else
        serve_puts(out, "none");
    end_fact(out);
    begin_fact(out, "Time");
    put_time(out, request);
    end_fact(out);
    begin_fact(out, "Model");
    put_string(out, request->model->id);
    end_fact(out);
    serve_puts(out, "</dl>\n");
}

void serve_put_answer_html(serve_buffer *out, const serve_request *request,
                           const serve_question *question,
                           const serve_answer *answer)
{
    serve_puts(out, "<div class=\"answer\">\n");
    put_figure(out, &answer->info);
    put_ranking(out, request, answer);
    put_facts(out, request, question, &answer->info);
    serve_puts(out, "</div>\n");
}

/* ---- errors ------------------------------------------------------------ */

void serve_put_error_html(serve_buffer *out, unsigned status, const char *code,
                          const char *message)
{
    serve_puts(out, "<div class=\"error\"><h2>That did not work</h2>\n<p>");
    put_string(out, message);
    serve_puts(out, "</p>\n<p class=\"soft\">");
    put_string(out, code);
    serve_putf(out, " &middot; HTTP %u &middot; %s</p></div>\n", status,
               serve_reason(status));
}
