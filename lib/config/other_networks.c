/* SPDX-License-Identifier: MIT
 *
 * other_networks.c - tables of types and classes of transformers, and of names
 * of tensors in checkpoints of transformers, OpenAI and open_clip.
 */
#include "config/other_networks.h"

#include <string.h>

typedef struct network {
    const char *type;   /* of config.json */
    const char *prefix; /* of its classes */
    const char *name;
} network;

/* Longer prefixes before those that begin them. */
static const network networks[] = {
    { "siglip2", "Siglip2",
      "SigLIP 2 NaFlex, whose pictures keep their shape (the SigLIP 2 "
      "checkpoints of one image size say \"siglip\")" },
    { "blip-2", "Blip2", "BLIP-2" },
    { "blip", "Blip", "BLIP" },
    { "instructblip", "InstructBlip", "InstructBLIP" },
    { "clipseg", "CLIPSeg", "CLIPSeg" },
    { "chinese_clip", "ChineseCLIP",
      "Chinese-CLIP, whose text tower is BERT" },
    { "altclip", "AltCLIP", "AltCLIP" },
    { "align", "Align", "ALIGN" },
    { "groupvit", "GroupViT", "GroupViT" },
    { "xclip", "XCLIP", "X-CLIP" },
    { "owlvit", "OwlViT", "OWL-ViT" },
    { "owlv2", "Owlv2", "OWLv2" },
    { "jina_clip", "JinaCLIP", "Jina CLIP" },
    { "mobileclip", "MobileCLIP", "MobileCLIP" },
    { "bridgetower", "BridgeTower", "BridgeTower" },
    { "flava", "Flava", "FLAVA" },
    { "clap", "Clap", "CLAP" },
    { "clvp", "Clvp", "CLVP" },
    { "vision-text-dual-encoder", "VisionTextDualEncoder",
      "a VisionTextDualEncoder" },
    { "dinov2", "Dinov2", "DINOv2" },
    { "dinov3_vit", "DINOv3", "DINOv3" },
    { "vit", "ViT", "a ViT classifier" },
    { "llava", "Llava", "LLaVA" },
    { "bert", "Bert", "BERT" },
};

enum { N_NETWORKS = sizeof networks / sizeof networks[0] };

/* A tower by itself is called "blip_vision_model". */
static bool is_type(const char *model_type, const char *type)
{
    size_t n = strlen(type);

    if (strncmp(model_type, type, n) != 0)
        return false;
    return !model_type[n] || strcmp(model_type + n, "_text_model") == 0 ||
           strcmp(model_type + n, "_vision_model") == 0;
}

const char *clipc_network_of_type(const char *model_type)
{
    for (size_t i = 0; i < N_NETWORKS; i++)
        if (is_type(model_type, networks[i].type))
            return networks[i].name;
    return NULL;
}

const char *clipc_network_of_class(const char *architecture)
{
    for (size_t i = 0; i < N_NETWORKS; i++) {
        const char *prefix = networks[i].prefix;
        if (strncmp(architecture, prefix, strlen(prefix)) == 0)
            return networks[i].name;
    }
    if (strcmp(architecture, "CLIPForImageClassification") == 0)
        return "a classifier on CLIP's image tower";
    if (strcmp(architecture, "MetaClip2ForImageClassification") == 0)
        return "a classifier on MetaCLIP 2's image tower";
    if (strcmp(architecture, "SiglipForImageClassification") == 0)
        return "a classifier on SigLIP's image tower";
    return NULL;
}

const char *clipc_network_of_tensor(const char *name, const char *own)
{
    static const struct {
        const char *prefix, *network;
    } tensors[] = {
        { "visual_projection.", "CLIP" },
        { "text_projection.", "CLIP" },
        { "vision_model.embeddings.class_embedding", "CLIP" },
        { "logit_bias", "SigLIP" },
        { "vision_model.head.probe", "SigLIP" },
        { "visual.trunk.attn_pool.", "SigLIP, or another with a timm image "
                                     "tower" },
        { "visual.trunk.", "open_clip's with a timm image tower" },
        { "visual.layer1.", "a ResNet CLIP" },
        { "visual.attnpool.", "a ResNet CLIP" },
        { "visual.attn_pool.", "CoCa" },
        { "text_decoder.", "CoCa or BLIP" },
        { "text.transformer.embeddings.", "open_clip's with a Hugging Face "
                                          "text tower" },
        { "visual_encoder.", "BLIP" },
        { "qformer.", "BLIP-2" },
        { "decoder.film_mul.", "CLIPSeg" },
        { "clip.vision_model.", "CLIPSeg" },
        { "text_model.encoder.layer.", "Chinese-CLIP or ALIGN" },
        { "text_model.roberta.", "AltCLIP" },
        { "mit.", "X-CLIP" },
        { "owlvit.", "OWL-ViT" },
        { "owlv2.", "OWLv2" },
    };

    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++)
        if (strncmp(name, tensors[i].prefix, strlen(tensors[i].prefix)) == 0 &&
            strcmp(tensors[i].network, own) != 0)
            return tensors[i].network;
    return NULL;
}
