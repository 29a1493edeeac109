/* SPDX-License-Identifier: MIT
 *
 * pickle_names.c - names of Python's and torch's in a pickle. See
 * pickle_names.h.
 */
#include "checkpoint/pickle_names.h"

#include <string.h>

enum {
    MAX_FULL_NAME = 96, /* bytes; the longest name here has half of it */
    N_SPARSE = 9,       /* storage types with a class of sparse tensors, */
    N_TENSOR = 10,      /* of tensors, */
    N_CUDA = 12         /* of CUDA storages */
};

/* In this order for the numbers above. */
static const clipc_storage_type storage_types[] = {
    { "FloatStorage", "F32", CLIPC_DTYPE_F32, 4 },
    { "HalfStorage", "F16", CLIPC_DTYPE_F16, 2 },
    { "BFloat16Storage", "BF16", CLIPC_DTYPE_BF16, 2 },
    { "DoubleStorage", "F64", CLIPC_DTYPE_F64, 8 },
    { "LongStorage", "I64", CLIPC_DTYPE_OTHER, 8 },
    { "IntStorage", "I32", CLIPC_DTYPE_OTHER, 4 },
    { "ShortStorage", "I16", CLIPC_DTYPE_OTHER, 2 },
    { "CharStorage", "I8", CLIPC_DTYPE_OTHER, 1 },
    { "ByteStorage", "U8", CLIPC_DTYPE_OTHER, 1 },
    { "BoolStorage", "BOOL", CLIPC_DTYPE_OTHER, 1 },
    { "ComplexFloatStorage", "C64", CLIPC_DTYPE_OTHER, 8 },
    { "ComplexDoubleStorage", "C128", CLIPC_DTYPE_OTHER, 16 },
    { "QInt8Storage", "QI8", CLIPC_DTYPE_OTHER, 1 },
    { "QUInt8Storage", "QU8", CLIPC_DTYPE_OTHER, 1 },
    { "QInt32Storage", "QI32", CLIPC_DTYPE_OTHER, 4 },
    { "QUInt4x2Storage", "QU4X2", CLIPC_DTYPE_OTHER, 1 },
    { "QUInt2x4Storage", "QU2X4", CLIPC_DTYPE_OTHER, 1 },
};

static const clipc_storage_type untyped_storage = { "UntypedStorage", "U8",
                                                    CLIPC_DTYPE_OTHER, 1 };

#define REBUILD(what) "torch._utils._rebuild_" what
#define ANY SIZE_MAX

static const clipc_pickle_name functions[] = {
    { "collections.OrderedDict", CLIPC_PICKLE_DICT, true, 0, 1, NULL },
    { "collections.Counter", CLIPC_PICKLE_DICT, true, 0, 1, NULL },
    { REBUILD("tensor"), CLIPC_PICKLE_TENSOR, false, 4, 4, NULL },
    { REBUILD("tensor_v2"), CLIPC_PICKLE_TENSOR, false, 6, 7, NULL },
    { REBUILD("tensor_v3"), CLIPC_PICKLE_ODD_DTYPE, false, 7, 8, NULL },
    { REBUILD("parameter"), CLIPC_PICKLE_PARAMETER, false, 3, 3, NULL },
    { REBUILD("parameter_with_state"), CLIPC_PICKLE_PARAMETER, false, 4, 4,
      NULL },
    { "torch.nn.parameter.Parameter", CLIPC_PICKLE_PARAMETER, true, 1, 2,
      NULL },
    { "torch._tensor._rebuild_from_type_v2", CLIPC_PICKLE_FROM_TYPE, false, 4,
      4, NULL },
    { REBUILD("sparse_tensor"), CLIPC_PICKLE_ODD, false, 2, 2,
      "a sparse tensor" },
    { REBUILD("qtensor"), CLIPC_PICKLE_ODD, false, 7, 7,
      "a quantized tensor" },
    { REBUILD("meta_tensor_no_storage"), CLIPC_PICKLE_ODD, false, 4, 4,
      "a meta tensor, without numbers" },
    { REBUILD("nested_tensor"), CLIPC_PICKLE_ODD, false, 4, 4,
      "a nested tensor" },
    { REBUILD("wrapper_subclass"), CLIPC_PICKLE_ODD, false, 8, 8,
      "a subclass of tensors" },
    { REBUILD("device_tensor_from_numpy"), CLIPC_PICKLE_ODD, false, 4, 4,
      "a tensor of a device" },
    { REBUILD("device_tensor_from_cpu_tensor"), CLIPC_PICKLE_ODD, false, 4, 4,
      "a tensor of a device" },
    { "torch.serialization._get_layout", CLIPC_PICKLE_OPAQUE, false, 1, 1,
      NULL },
    { "_codecs.encode", CLIPC_PICKLE_OPAQUE, false, 1, 3, NULL },
    { "builtins.bytearray", CLIPC_PICKLE_OPAQUE, true, 0, 3, NULL },
    { "builtins.complex", CLIPC_PICKLE_OPAQUE, true, 0, 2, NULL },
    { "builtins.set", CLIPC_PICKLE_OPAQUE, true, 0, 1, NULL },
    { "torch.Size", CLIPC_PICKLE_OPAQUE, true, 0, 1, NULL },
    { "torch.device", CLIPC_PICKLE_OPAQUE, true, 1, 2, NULL },
    { "torch.Tensor", CLIPC_PICKLE_OPAQUE, true, 0, ANY, NULL },
    { "torch.storage.TypedStorage", CLIPC_PICKLE_OPAQUE, true, 0, ANY, NULL },
};

static const clipc_pickle_name tensor_class = {
    "a class of tensors", CLIPC_PICKLE_OPAQUE, true, 0, ANY, NULL
};

/* Types of numbers, and ways of quantization. */
#define CONSTANT(name) \
    { \
        "torch." name, CLIPC_PICKLE_CONSTANT, false, 0, 0, NULL \
    }

static const clipc_pickle_name constants[] = {
    CONSTANT("float16"),
    CONSTANT("float32"),
    CONSTANT("float64"),
    CONSTANT("bfloat16"),
    CONSTANT("bool"),
    CONSTANT("uint8"),
    CONSTANT("uint16"),
    CONSTANT("uint32"),
    CONSTANT("uint64"),
    CONSTANT("int8"),
    CONSTANT("int16"),
    CONSTANT("int32"),
    CONSTANT("int64"),
    CONSTANT("complex32"),
    CONSTANT("complex64"),
    CONSTANT("complex128"),
    CONSTANT("float4_e2m1fn_x2"),
    CONSTANT("float8_e4m3fn"),
    CONSTANT("float8_e4m3fnuz"),
    CONSTANT("float8_e5m2"),
    CONSTANT("float8_e5m2fnuz"),
    CONSTANT("float8_e8m0fnu"),
    CONSTANT("uint1"),
    CONSTANT("uint2"),
    CONSTANT("uint3"),
    CONSTANT("uint4"),
    CONSTANT("uint5"),
    CONSTANT("uint6"),
    CONSTANT("uint7"),
    CONSTANT("int1"),
    CONSTANT("int2"),
    CONSTANT("int3"),
    CONSTANT("int4"),
    CONSTANT("int5"),
    CONSTANT("int6"),
    CONSTANT("int7"),
    CONSTANT("bits8"),
    CONSTANT("bits16"),
    CONSTANT("bits1x8"),
    CONSTANT("bits2x4"),
    CONSTANT("bits4x2"),
    CONSTANT("qint8"),
    CONSTANT("qint32"),
    CONSTANT("quint8"),
    CONSTANT("quint2x4"),
    CONSTANT("quint4x2"),
    CONSTANT("per_tensor_affine"),
    CONSTANT("per_tensor_symmetric"),
    CONSTANT("per_channel_affine"),
    CONSTANT("per_channel_symmetric"),
    CONSTANT("per_channel_affine_float_qparams"),
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* MODULE.NAME; false: longer than any name here, or with a NUL. Pickles of
 * protocol 2 have Python 2's name of builtins. */
static bool join(char full[MAX_FULL_NAME], clipc_text module, clipc_text name)
{
    static const char old[] = "__builtin__";

    if (module.len == sizeof old - 1 &&
        memcmp(module.data, old, sizeof old - 1) == 0)
        module = (clipc_text){ "builtins", 8 };
    if (module.len >= MAX_FULL_NAME / 2 || name.len >= MAX_FULL_NAME / 2 ||
        memchr(module.data, '\0', module.len) ||
        memchr(name.data, '\0', name.len))
        return false;
    memcpy(full, module.data, module.len);
    full[module.len] = '.';
    memcpy(full + module.len + 1, name.data, name.len);
    full[module.len + 1 + name.len] = '\0';
    return true;
}

/* Moves *name behind the prefix, if it begins so. */
static bool skip(const char **name, const char *prefix)
{
    const size_t n = strlen(prefix);

    if (strncmp(*name, prefix, n) != 0)
        return false;
    *name += n;
    return true;
}

/* torch.FloatStorage, torch.cuda.FloatStorage, torch.sparse.FloatTensor, ... */
static clipc_pickle_global find_class(const char *full)
{
    const char *rest = full;
    clipc_pickle_global found = { NULL, NULL };

    if (!skip(&rest, "torch."))
        return found;
    const bool cuda = skip(&rest, "cuda.");
    const bool sparse = skip(&rest, "sparse.");
    for (size_t i = 0; i < COUNT(storage_types); i++) {
        const char *storage = storage_types[i].class_name;
        const size_t n = strlen(storage) - strlen("Storage");
        if (!sparse && (!cuda || i < N_CUDA) && strcmp(rest, storage) == 0)
            found.storage = &storage_types[i];
        if (i < (sparse ? N_SPARSE : N_TENSOR) &&
            strncmp(rest, storage, n) == 0 && strcmp(rest + n, "Tensor") == 0)
            found.name = &tensor_class;
    }
    return found;
}

clipc_pickle_global clipc_pickle_find(clipc_text module, clipc_text name)
{
    clipc_pickle_global found = { NULL, NULL };
    char full[MAX_FULL_NAME];

    if (!join(full, module, name))
        return found;
    for (size_t i = 0; i < COUNT(functions) && !found.name; i++)
        if (strcmp(full, functions[i].name) == 0)
            found.name = &functions[i];
    for (size_t i = 0; i < COUNT(constants) && !found.name; i++)
        if (strcmp(full, constants[i].name) == 0)
            found.name = &constants[i];
    if (strcmp(full, "torch.storage.UntypedStorage") == 0)
        found.storage = &untyped_storage;
    return found.name || found.storage ? found : find_class(full);
}
