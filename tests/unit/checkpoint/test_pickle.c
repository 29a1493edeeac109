/* SPDX-License-Identifier: MIT
 *
 * test_pickle.c - lib/checkpoint/pickle.c: good and bad programs for its
 * machine, byte by byte. test_torch.c reads PyTorch's own files.
 */
#include "support/containers.h"
#include "checkpoint/pickle.h"
#include "support/test.h"

#include <stdlib.h>

/* Runs a copy in an allocation of its size. */
static clipc_status run(const void *data, size_t n, clipc_error *err)
{
    unsigned char *copy = malloc(n ? n : 1);
    clipc_pickled_tensor *tensors;
    size_t n_tensors;

    CHECK(copy != NULL);
    memcpy(copy, data, n);
    clipc_status status = clipc_pickle_read(&tensors, &n_tensors, copy, n, "p",
                                            err);
    CHECK((status == CLIPC_OK) == (tensors != NULL));
    CHECK((status == CLIPC_OK) == (n_tensors != 0));
    free(tensors);
    free(copy);
    return status;
}

#define TENSOR \
    "ctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\n" \
    "FloatStorage\nX\1\0\0\0" \
    "0X\3\0\0\0cpuK\6tQK\0K\2K\3\x86K\3K\1\x86" \
    "\x89" \
    "ccollections\nOrderedDict\n)RtR"
#define KEY "X\1\0\0\0a"
#define ORDERED "ccollections\nOrderedDict\n)R"
#define P2 "\x80\2"
#define BESIDE(v) P2 "}(X\1\0\0\0b" v KEY TENSOR "u."

#define CASE(program, status, message) \
    { \
        "" program, sizeof program - 1, status, message \
    }

static const struct {
    const char *program;
    size_t n;
    clipc_status status;
    const char *message;
} programs[] = {
    /* good ones */
    CASE(P2 "}" KEY TENSOR "s.", CLIPC_OK, ""),
    CASE(P2 "}(" KEY TENSOR "u.", CLIPC_OK, ""),
    CASE(P2 ORDERED KEY TENSOR "s.", CLIPC_OK, ""),
    CASE(P2 ORDERED "(" KEY TENSOR "u}X\5\0\0\0_metaNsb.", CLIPC_OK, ""),
    CASE("\x80\4\x95\0\0\0\0\0\0\0\0}\x94\x8C\1a\x94" TENSOR "\x94s.",
         CLIPC_OK, ""),
    CASE("\x80\5}\x8C\1a\x8C\013collections\x8C\013OrderedDict\x93)R0",
         CLIPC_ERR_UNSUPPORTED, "POP"),
    CASE(P2 "}q\0" KEY "q\1" TENSOR "q\2s(X\1\0\0\0bj\2\0\0\0u.", CLIPC_OK,
         ""),
    CASE(P2 "}" KEY "ctorch._utils\n_rebuild_parameter\n" TENSOR "\x88" ORDERED
            "\x87Rs.",
         CLIPC_OK, ""),
    CASE(P2 "}(X\1\0\0\0bG\0\0\0\0\0\0\0\0X\1\0\0\0cM\1\1X\1\0\0\0dJ\0\0\0"
            "\xFFX\1\0\0\0e](K\1Nt"
            "a(NNeX\1\0\0\0fNX\1\0\0\0g)r\1\0\0\0\x85" KEY TENSOR "u.",
         CLIPC_OK, ""),
    CASE(P2 "}X\12\0\0\0state_dict}" KEY TENSOR "ss.", CLIPC_OK, ""),
    CASE(P2 "}(K\1NK\2N" KEY TENSOR "u.", CLIPC_OK, ""),
    /* what torch admits beside a tensor */
    CASE(BESIDE("ctorch\nfloat16\n"), CLIPC_OK, ""),
    CASE(BESIDE("ctorch\nper_tensor_affine\n"), CLIPC_OK, ""),
    CASE(BESIDE("ctorch\nSize\n(K\2K\3t\x85R"), CLIPC_OK, ""),
    CASE(BESIDE("ctorch\nSize\n)\x81"), CLIPC_OK, ""),
    CASE(BESIDE("ctorch\nSize\n)R}b"), CLIPC_OK, ""),
    CASE(BESIDE("ctorch\ndevice\nX\3\0\0\0cpu\x85R"), CLIPC_OK, ""),
    CASE(BESIDE("c__builtin__\nset\n](K\1e\x85R"), CLIPC_OK, ""),
    CASE(BESIDE("cbuiltins\nset\n)R"), CLIPC_OK, ""),
    CASE(BESIDE("c_codecs\nencode\nX\1\0\0\0aX\6\0\0\0latin1\x86R"), CLIPC_OK,
         ""),
    CASE(BESIDE("ccollections\nCounter\n}" KEY "K\1s\x85R"), CLIPC_OK, ""),
    CASE(BESIDE("ccollections\nCounter\n)\x81" KEY "K\1s"), CLIPC_OK, ""),
    CASE(BESIDE("ccollections\nOrderedDict\n]\x85R"), CLIPC_OK, ""),
    CASE(BESIDE("ctorch\nComplexDoubleStorage\n"), CLIPC_OK, ""),
    CASE(BESIDE("ctorch.cuda.sparse\nHalfTensor\n)R"), CLIPC_OK, ""),
    CASE(BESIDE("\x8F"), CLIPC_OK, ""),
    CASE(BESIDE("U\2ab"), CLIPC_OK, ""),
    CASE(BESIDE("\x8A\x09\0\0\0\0\0\0\0\0\1"), CLIPC_OK, ""),
    CASE(BESIDE("\x8B\x09\0\0\0\0\0\0\0\0\0\0\0\1"), CLIPC_OK, ""),
    CASE(BESIDE("\x8B\1\0\0\0\1"), CLIPC_OK, ""),
    /* a class whose object is a dictionary, and ways to a tensor */
    CASE(P2 "ccollections\nOrderedDict\n)\x81" KEY TENSOR "s.", CLIPC_OK, ""),
    CASE(P2 "ccollections\nCounter\n)R" KEY TENSOR "s.", CLIPC_OK, ""),
    CASE(P2 "U\1a0", CLIPC_ERR_UNSUPPORTED, "POP"),
    CASE(P2 "}U\1a" TENSOR "s.", CLIPC_OK, ""),
    CASE(P2 "}" KEY "ctorch._utils\n_rebuild_parameter_with_state\n(" TENSOR
            "\x88" ORDERED "}tRs.",
         CLIPC_OK, ""),
    CASE(P2 "}" KEY "ctorch.nn.parameter\nParameter\n" TENSOR "\x85\x81s.",
         CLIPC_OK, ""),
    CASE(P2 "}" KEY "ctorch._tensor\n_rebuild_from_type_v2\n"
            "(ctorch._utils\n_rebuild_sparse_tensor\nctorch\nTensor\n"
            "NN\x86}tRs.",
         CLIPC_OK, ""),
    /* a dictionary inside itself */
    CASE(P2 "}q\0(X\4\0\0\0selfh\0" KEY TENSOR "u.", CLIPC_OK, ""),
    CASE(P2 "}q\0(X\12\0\0\0state_dicth\0" KEY TENSOR "u.", CLIPC_OK, ""),
    /* its ends */
    CASE("", CLIPC_ERR_TRUNCATED, "ends inside"),
    CASE("\x80", CLIPC_ERR_TRUNCATED, "ends inside"),
    CASE("}.", CLIPC_ERR_FORMAT, "protocol"),
    CASE("\x80\0}.", CLIPC_ERR_UNSUPPORTED, "protocol 0"),
    CASE("\x80\1}.", CLIPC_ERR_UNSUPPORTED, "protocol 1"),
    CASE("\x80\6}.", CLIPC_ERR_UNSUPPORTED, "protocol 6"),
    CASE(P2, CLIPC_ERR_TRUNCATED, "ends inside"),
    CASE(P2 ".", CLIPC_ERR_FORMAT, "empty stack"),
    CASE(P2 "(.", CLIPC_ERR_FORMAT, "empty stack"),
    CASE(P2 "}}.", CLIPC_ERR_FORMAT, "more than one"),
    CASE(P2 "(}.", CLIPC_ERR_FORMAT, "more than one"),
    CASE(P2 "}" KEY TENSOR "s..", CLIPC_ERR_FORMAT, "bytes follow"),
    CASE(P2 "}.", CLIPC_ERR_UNSUPPORTED, "no tensor"),
    CASE(P2 "}" KEY "Ns.", CLIPC_ERR_UNSUPPORTED, "no tensor"),
    CASE(P2 "N.", CLIPC_ERR_UNSUPPORTED, "not a dictionary"),
    CASE(P2 TENSOR ".", CLIPC_ERR_UNSUPPORTED, "not a dictionary"),
    CASE(P2 "\x80\2}.", CLIPC_ERR_FORMAT, "0x80"),
    /* instructions that do not exist */
    CASE(P2 "\0", CLIPC_ERR_FORMAT, "0x00"),
    CASE(P2 "\xFF", CLIPC_ERR_FORMAT, "0xFF"),
    CASE(P2 "\x9A", CLIPC_ERR_FORMAT, "0x9A"),
    /* operands cut off */
    CASE(P2 "X\4\0\0\0abc", CLIPC_ERR_TRUNCATED, "ends inside"),
    CASE(P2 "X\xFF\xFF\xFF\xFF", CLIPC_ERR_TRUNCATED, "ends inside"),
    CASE(P2 "X\0\0", CLIPC_ERR_TRUNCATED, "ends inside"),
    CASE(P2 "\x8C\2a", CLIPC_ERR_TRUNCATED, "ends inside"),
    CASE(P2 "J\0\0\0", CLIPC_ERR_TRUNCATED, "ends inside"),
    CASE(P2 "K", CLIPC_ERR_TRUNCATED, "ends inside"),
    CASE(P2 "G\0\0\0\0\0\0\0", CLIPC_ERR_TRUNCATED, "ends inside"),
    CASE(P2 "ctorch", CLIPC_ERR_TRUNCATED, "ends inside"),
    CASE(P2 "ctorch\nFloatStorage", CLIPC_ERR_TRUNCATED, "ends inside"),
    CASE(P2 "\x8A\5\0\0", CLIPC_ERR_TRUNCATED, "ends inside"),
    CASE(P2 "\x8A\x09\0\0\0\0\0\0\0\0", CLIPC_ERR_TRUNCATED, "ends inside"),
    CASE(P2 "\x8B\xFF\xFF\xFF\xFF", CLIPC_ERR_TRUNCATED, "ends inside"),
    CASE(P2 "\x8B\0\0\0", CLIPC_ERR_TRUNCATED, "ends inside"),
    /* where a state dict is looked for */
    CASE(P2 "\x8A\x09\0\0\0\0\0\0\0\0\1.", CLIPC_ERR_UNSUPPORTED,
         "it is an integer of more than 64 bits, not a dictionary"),
    CASE(P2 "ctorch\nfloat32\n.", CLIPC_ERR_UNSUPPORTED,
         "it is torch.float32,"),
    CASE(P2 "}X\5\0\0\0modelctorch\nSize\n)Rs.", CLIPC_ERR_UNSUPPORTED,
         "model is torch.Size, not a dictionary of tensors"),
    CASE(P2 "}(X\5\0\0\0modelctorch\nSize\n)R" KEY TENSOR "u.", CLIPC_OK, ""),
    CASE(P2 "\x95\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF}.", CLIPC_ERR_TRUNCATED,
         "frame"),
    /* the stack */
    CASE(P2 "\x85", CLIPC_ERR_FORMAT, "empty stack"),
    CASE(P2 "N(\x86", CLIPC_ERR_FORMAT, "empty stack"),
    CASE(P2 "NN\x87", CLIPC_ERR_FORMAT, "empty stack"),
    CASE(P2 "t", CLIPC_ERR_FORMAT, "no mark"),
    CASE(P2 "NNt", CLIPC_ERR_FORMAT, "no mark"),
    CASE(P2 "u", CLIPC_ERR_FORMAT, "no mark"),
    CASE(P2 "e", CLIPC_ERR_FORMAT, "no mark"),
    CASE(P2 "(u", CLIPC_ERR_FORMAT, "not a dictionary"),
    CASE(P2 "}(Nu", CLIPC_ERR_FORMAT, "without a value"),
    CASE(P2 "}s", CLIPC_ERR_FORMAT, "not a dictionary"),
    CASE(P2 "}Ns", CLIPC_ERR_FORMAT, "not a dictionary"),
    CASE(P2 "}((s", CLIPC_ERR_FORMAT, "empty stack"),
    CASE(P2 "](NNu", CLIPC_ERR_FORMAT, "not a dictionary"),
    CASE(P2 "a", CLIPC_ERR_FORMAT, "not a list"),
    CASE(P2 "](a", CLIPC_ERR_FORMAT, "not a list"),
    CASE(P2 "}Na", CLIPC_ERR_FORMAT, "not a list"),
    CASE(P2 "(Ne", CLIPC_ERR_FORMAT, "not a list"),
    CASE(P2 "R", CLIPC_ERR_FORMAT, "empty stack"),
    CASE(P2 ")R", CLIPC_ERR_FORMAT, "empty stack"),
    CASE(P2 "N)R", CLIPC_ERR_FORMAT, "not a function"),
    CASE(P2 "ccollections\nOrderedDict\nNR", CLIPC_ERR_FORMAT,
         "not a function"),
    CASE(P2 "b", CLIPC_ERR_FORMAT, "empty stack"),
    CASE(P2 "}b", CLIPC_ERR_FORMAT, "empty stack"),
    CASE(P2 "N}b", CLIPC_ERR_UNSUPPORTED, "attributes"),
    CASE(P2 "Q", CLIPC_ERR_FORMAT, "empty stack"),
    CASE(P2 ")Q", CLIPC_ERR_FORMAT, "not a storage"),
    CASE(P2 "\x93", CLIPC_ERR_FORMAT, "empty stack"),
    CASE(P2 "NN\x93", CLIPC_ERR_FORMAT, "not a text"),
    /* the memo */
    CASE(P2 "q\0", CLIPC_ERR_FORMAT, "empty stack"),
    CASE(P2 "Nq\5", CLIPC_ERR_FORMAT, "beyond"),
    CASE(P2 "Nq\1h\0", CLIPC_ERR_FORMAT, "never set"),
    CASE(P2 "Nr\xFF\xFF\xFF\xFF", CLIPC_ERR_FORMAT, "beyond"),
    CASE(P2 "h\0", CLIPC_ERR_FORMAT, "never set"),
    CASE(P2 "Nq\0j\0\1\0\0", CLIPC_ERR_FORMAT, "never set"),
    CASE(P2 "\x94", CLIPC_ERR_FORMAT, "empty stack"),
    /* names */
    CASE(P2 "c\n\n", CLIPC_ERR_UNSUPPORTED, "it names"),
    CASE(P2 "ctorch\nfloat33\n", CLIPC_ERR_UNSUPPORTED, "torch.float33"),
    CASE(P2 "ctorch.float32\n\n", CLIPC_ERR_UNSUPPORTED, "it names"),
    CASE(P2 "ctorch\nsparse.BoolTensor\n", CLIPC_ERR_UNSUPPORTED, "it names"),
    CASE(P2 "ctorch.cuda\nQInt8Storage\n", CLIPC_ERR_UNSUPPORTED, "it names"),
    CASE(P2 "ctorch.sparse\nFloatStorage\n", CLIPC_ERR_UNSUPPORTED,
         "it names"),
    CASE(P2 "c__builtin__\nbytes\n", CLIPC_ERR_UNSUPPORTED,
         "__builtin__.bytes"),
    CASE(P2 "cbuiltins\nset\0\n", CLIPC_ERR_UNSUPPORTED, "builtins.set"),
    CASE(P2 "ctorch \nFloatStorage\n", CLIPC_ERR_UNSUPPORTED, "it names"),
    CASE(P2 "ctorch\nFloatStorage\r\n", CLIPC_ERR_UNSUPPORTED, "it names"),
    CASE(P2 "ctorch\nUntypedStorage\n", CLIPC_ERR_UNSUPPORTED,
         "torch.UntypedStorage"),
    CASE(P2 "cnumpy.core.multiarray\nscalar\n", CLIPC_ERR_UNSUPPORTED,
         "numpy.core.multiarray.scalar"),
    CASE(P2 "c__builtin__\neval\n", CLIPC_ERR_UNSUPPORTED, "__builtin__.eval"),
    CASE(P2 "cos\x1b[31m\n\xFF\n", CLIPC_ERR_UNSUPPORTED, "os\\x1B[31m.\\xFF"),
    /* calls */
    CASE(P2 "ctorch._utils\n_rebuild_tensor_v2\n)R", CLIPC_ERR_UNSUPPORTED,
         "a call that"),
    CASE(P2 "ctorch._utils\n_rebuild_parameter\nNNN\x87R",
         CLIPC_ERR_UNSUPPORTED, "a call that"),
    CASE(P2 "ctorch._utils\n_rebuild_parameter\n" TENSOR "N\x86R",
         CLIPC_ERR_UNSUPPORTED, "a call that"),
    CASE(P2 "ctorch._utils\n_rebuild_parameter_with_state\n(NNNNtR",
         CLIPC_ERR_UNSUPPORTED, "a call that"),
    CASE(P2 "ctorch._utils\n_rebuild_parameter\n" TENSOR "NN\x87\x81",
         CLIPC_ERR_UNSUPPORTED, "a call that"),
    CASE(P2 "ctorch._utils\n_rebuild_tensor_v3\n(NNNNNNNtR",
         CLIPC_ERR_UNSUPPORTED, "a call that"),
    CASE(P2 "ctorch._utils\n_rebuild_sparse_tensor\n)R", CLIPC_ERR_UNSUPPORTED,
         "a call that"),
    CASE(P2 "ctorch._tensor\n_rebuild_from_type_v2\n)R", CLIPC_ERR_UNSUPPORTED,
         "a call that"),
    CASE(P2 "ctorch._tensor\n_rebuild_from_type_v2\n(NNNNtR",
         CLIPC_ERR_UNSUPPORTED, "a call that"),
    CASE(P2 "ctorch._tensor\n_rebuild_from_type_v2\n(cbuiltins\nset\nN)NtR",
         CLIPC_ERR_UNSUPPORTED, "a call that"),
    CASE(P2 "ctorch._tensor\n_rebuild_from_type_v2\nq\0(h\0N)NtR",
         CLIPC_ERR_UNSUPPORTED, "a call that"),
    CASE(P2 "ctorch\nSize\nNN\x86R", CLIPC_ERR_UNSUPPORTED, "a call that"),
    CASE(P2 "ctorch\nfloat16\n)R", CLIPC_ERR_FORMAT, "not a function"),
    CASE(P2 "ctorch\nFloatStorage\n)R", CLIPC_ERR_FORMAT, "not a function"),
    CASE(P2 "ctorch\nSize\n)R" KEY "Ns", CLIPC_ERR_FORMAT, "not a dictionary"),
    CASE(P2 ")\x81", CLIPC_ERR_FORMAT, "empty stack"),
    CASE(P2 TENSOR "}b", CLIPC_ERR_UNSUPPORTED, "attributes"),
    /* not tensors */
    CASE(P2 "}" KEY "ctorch._utils\n_rebuild_tensor_v2\n(NNNNNNtRs.",
         CLIPC_ERR_FORMAT, "tensor a: it has no storage"),
    CASE(P2 "}X\2\0\0\0a\0" TENSOR "s.", CLIPC_ERR_FORMAT, "NUL"),
    CASE(P2 "}X\2\0\0\0a\xFF" TENSOR "s.", CLIPC_ERR_FORMAT, "not UTF-8"),
};

TEST(programs_do_what_python_would_or_are_refused)
{
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_status status = run(programs[i].program, programs[i].n, &err);
        if (status != programs[i].status ||
            !strstr(err.message, programs[i].message))
            FAIL("program %zu: %s: %s", i, clipc_status_name(status),
                 err.message);
    }
}

TEST(refused_instructions_are_named)
{
    static const struct {
        unsigned char code;
        const char *name;
    } codes[] = {
        { '0', "POP " },
        { '1', "POP_MARK" },
        { '2', "DUP" },
        { 'F', "FLOAT" },
        { 'I', "INT" },
        { 'L', "LONG" },
        { 'P', "PERSID" },
        { 'S', "STRING" },
        { 'T', "BINSTRING" },
        { 'V', "UNICODE" },
        { 'B', "BINBYTES" },
        { 'C', "SHORT_BINBYTES" },
        { 'd', "DICT" },
        { 'g', "GET" },
        { 'i', "INST" },
        { 'l', "LIST" },
        { 'o', "OBJ" },
        { 'p', "PUT" },
        { 0x82, "EXT1" },
        { 0x83, "EXT2" },
        { 0x84, "EXT4" },
        { 0x8D, "BINUNICODE8" },
        { 0x8E, "BINBYTES8" },
        { 0x90, "ADDITEMS" },
        { 0x91, "FROZENSET" },
        { 0x92, "NEWOBJ_EX" },
        { 0x96, "BYTEARRAY8" },
        { 0x97, "NEXT_BUFFER" },
        { 0x98, "READONLY_BUFFER" },
    };

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        const unsigned char program[] = {
            0x80, 2, '}', codes[i].code, 1, '.'
        };
        CHECK_STATUS(run(program, sizeof program, &err),
                     CLIPC_ERR_UNSUPPORTED);
        CHECK_HAS(err.message, codes[i].name);
        CHECK_INT(err.offset, 3);
    }
}

/* Arguments of _rebuild_tensor_v2 instead of good ones. */
TEST(damaged_tensors_are_refused)
{
    static const struct {
        const char *storage, *rest; /* instructions of the two halves */
        clipc_status status;
        const char *message;
    } cases[] = {
        { "(X\7", NULL, CLIPC_ERR_TRUNCATED, "" },
        { "N", "NNNNN", CLIPC_ERR_FORMAT, "no storage" },
        { "", "J\xFF\xFF\xFF\xFF(t(tNN", CLIPC_ERR_FORMAT, "damaged" },
        { "", "N(t(tNN", CLIPC_ERR_FORMAT, "damaged" },
        { "", "K\1NNNN", CLIPC_ERR_FORMAT, "damaged" },
        { "", "K\1(t(K\1tNN", CLIPC_ERR_FORMAT, "damaged" },
        { "", "K\1(K\1t(tNN", CLIPC_ERR_FORMAT, "damaged" },
        { "", "K\1(Nt(K\1tNN", CLIPC_ERR_FORMAT, "damaged" },
        { "", "K\1(J\xFF\xFF\xFF\xFFt(K\1tNN", CLIPC_ERR_FORMAT, "damaged" },
        { "", "K\1(K\1t(J\xFF\xFF\xFF\xFFtNN", CLIPC_ERR_FORMAT, "damaged" },
        { "", "K\1(K\1K\1K\1K\1K\1K\1K\1K\1K\1t(tNN", CLIPC_ERR_LIMIT,
          "8 dimensions" },
        { "", "K\1(t(tNNN", CLIPC_OK, "" },
        { "", "K\1(t(tN", CLIPC_ERR_UNSUPPORTED, "a call that" },
        { "", "K\1(t(tNNNN", CLIPC_ERR_UNSUPPORTED, "a call that" },
    };
    static const char good[] =
        "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
        "0X\3\0\0\0cpu"
        "K\6tQ";

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        builder b = { 0 };
        build_string(&b, P2 "}");
        pickle_text(&b, "a");
        build_string(&b, "ctorch._utils\n_rebuild_tensor_v2\n(");
        if (cases[i].storage[0])
            build_string(&b, cases[i].storage);
        else
            build(&b, good, sizeof good - 1);
        if (cases[i].rest) {
            build_string(&b, cases[i].rest);
            build_string(&b, "tRs.");
        }
        clipc_status status = run(b.data, b.n, &err);
        build_free(&b);
        if (status != cases[i].status ||
            !strstr(err.message, cases[i].message))
            FAIL("case %zu: %s: %s", i, clipc_status_name(status),
                 err.message);
    }
}

/* Each part of ("storage", type, key, device, elements) replaced by None, and
 * the type by a function. */
TEST(persistent_ids_are_storages)
{
    static const char *const parts[5] = { "X\7", "ctorch\nFloatStorage\n",
                                          "X\1", "X\3", "K\6" };
    static const char *const values[5] = { "storage", "", "0", "cpu", "" };

    for (int bad = 0; bad < 7; bad++) {
        clipc_error err = CLIPC_ERROR_INIT;
        builder b = { 0 };
        build_string(&b, P2 "(");
        for (int i = 0; i < 5 - (bad == 6); i++) {
            if (i == bad)
                build_string(&b, "N");
            else if (i == 1 && bad == 5)
                build_string(&b, "ccollections\nOrderedDict\n");
            else if (parts[i][0] == 'X')
                pickle_text(&b, values[i]);
            else
                build_string(&b, parts[i]);
        }
        build_string(&b, "tQ.");
        CHECK_STATUS(run(b.data, b.n, &err), CLIPC_ERR_FORMAT);
        CHECK_HAS(err.message, "not a storage");
        build_free(&b);
    }
}

static void read_names(const char *first, const char *second,
                       const char *want_first, const char *want_second)
{
    const size_t shape[] = { 2, 3 }, stride[] = { 3, 1 };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_pickled_tensor *tensors;
    builder b = { 0 };
    size_t n;

    build_string(&b, P2 "}(");
    pickle_text(&b, first);
    pickle_tensor(&b, "FloatStorage", "7", 20, 5, 2, shape, stride);
    pickle_text(&b, second);
    pickle_tensor(&b, "HalfStorage", "8", 30, 0, 0, NULL, NULL);
    build_string(&b, "u.");
    CHECK_OK(clipc_pickle_read(&tensors, &n, b.data, b.n, "p", &err), err);
    CHECK_INT(n, 2);
    CHECK_INT(tensors[0].name.len, strlen(want_first));
    CHECK(memcmp(tensors[0].name.data, want_first, strlen(want_first)) == 0);
    CHECK_INT(tensors[1].name.len, strlen(want_second));
    CHECK(memcmp(tensors[1].name.data, want_second, strlen(want_second)) == 0);
    CHECK_STR(tensors[0].type->dtype_name, "F32");
    CHECK_STR(tensors[1].type->dtype_name, "F16");
    CHECK_INT(tensors[0].storage_elements, 20);
    CHECK_INT(tensors[0].offset, 5);
    CHECK_INT(tensors[0].rank, 2);
    CHECK_INT(tensors[0].shape[1], 3);
    CHECK_INT(tensors[0].stride[0], 3);
    CHECK_INT(tensors[0].storage.len, 1);
    CHECK_INT(tensors[0].storage.data[0], '7');
    CHECK_INT(tensors[1].rank, 0);
    free(tensors);
    build_free(&b);
}

TEST(tensors_are_described)
{
    read_names("a", "b", "a", "b");
    read_names("module.a", "module.b", "a", "b");
    /* A prefix is cut off where all names have the prefix and no name is
     * the prefix alone. */
    read_names("module.a", "b", "module.a", "b");
    read_names("module.a", "module.", "module.a", "module.");
}

/* Programs as large as the limit on their bytes lets them be: each stops at a
 * limit of its own. */
TEST(limits_bound_what_a_program_may_hold)
{
    static const struct {
        const char *unit;
        size_t n;
        const char *message;
    } cases[] = {
        { "N", 1, "values on its stack" },
        { "(", 1, "values on its stack" },
        { "]}a", 3, "values on its stack" },
        { "}a", 2, "dictionaries" },
        { "N\x94"
          "a",
          3, "values in its memo" },
        { "NNN\x87"
          "a",
          5, "parts of tuples" },
    };
    enum { BYTES = 8 << 20 };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        builder b = { 0 };
        build_string(&b, P2 "]");
        while (b.n < BYTES)
            build(&b, cases[i].unit, cases[i].n);
        CHECK_STATUS(run(b.data, b.n, &err), CLIPC_ERR_LIMIT);
        CHECK_HAS(err.message, cases[i].message);
        build_free(&b);
    }

    builder b = { 0 };
    clipc_error err = CLIPC_ERROR_INIT;
    build_string(&b, P2 "}");
    while (b.n < BYTES)
        build(&b, KEY "Ns", 8);
    CHECK_STATUS(run(b.data, b.n, &err), CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "entries of dictionaries");
    b.n = 0;
    build_string(&b, P2 "}");
    build(&b, KEY TENSOR "r\1\0\0\0s", sizeof KEY TENSOR "r\1\0\0\0s" - 1);
    for (size_t i = 0; i < 65536; i++)
        build(&b, KEY "j\1\0\0\0s", 12);
    build_string(&b, ".");
    CHECK_STATUS(run(b.data, b.n, &err), CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "65536 tensors");
    build_free(&b);

    /* A name of 512 bytes, and of 513. */
    for (size_t more = 0; more < 2; more++) {
        char name[514];
        memset(name, 'x', 512 + more);
        name[512 + more] = '\0';
        build_string(&b, P2 "}");
        pickle_text(&b, name);
        build(&b, TENSOR "s.", sizeof TENSOR "s." - 1);
        CHECK_STATUS(run(b.data, b.n, &err),
                     more ? CLIPC_ERR_LIMIT : CLIPC_OK);
        build_free(&b);
    }
}
