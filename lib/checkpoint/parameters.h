/* SPDX-License-Identifier: MIT
 *
 * parameters.h - the parameters of both towers, in the order of the network:
 * their names, their shapes by the config, and the slots they go to. Opening a
 * checkpoint, loading it and packing it are walks over them.
 */
#ifndef CLIPC_PARAMETERS_H
#define CLIPC_PARAMETERS_H

#include "checkpoint/checkpoint.h"

/* Calls `visit` for each parameter of a tower until it fails. weights->tower
 * has its layers; what the slots hold is not looked at. */
clipc_status clipc_parameters_vision(const clipc_config *config,
                                     clipc_vision_weights *weights,
                                     clipc_parameter_fn visit, void *user,
                                     clipc_error *err);
clipc_status clipc_parameters_text(const clipc_config *config,
                                   clipc_text_weights *weights,
                                   clipc_parameter_fn visit, void *user,
                                   clipc_error *err);

#endif /* CLIPC_PARAMETERS_H */
