/* SPDX-License-Identifier: Apache-2.0 */
/* Faults on demand: see faults.h. Compiled twice: for --wrap, and with CLO_FAULTS_PRELOAD for a library that is preloaded. */
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

/* ---- what fails ---- */

static struct {
    atomic_uint kinds;
    atomic_ulong nth, calls, hits;
    atomic_ulong every;
    _Atomic uint64_t random;
    atomic_int result;
} fault;

/* SplitMix64 */
static uint64_t next_random(_Atomic uint64_t *state)
{
    uint64_t z = atomic_fetch_add(state, 0x9e3779b97f4a7c15u) + 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

#ifdef CLO_FAULTS_PRELOAD
static char while_file[4096]; /* "": always */

static bool wanted_now(void)
{
    const int saved = errno;
    const bool yes = while_file[0] == '\0' || access(while_file, F_OK) == 0;

    errno = saved;
    return yes;
}
#else
static bool wanted_now(void)
{
    return true;
}
#endif

static bool fails(unsigned kind)
{
    unsigned long call;
    bool yes;

    if ((atomic_load(&fault.kinds) & kind) == 0)
        return false;
    call = atomic_fetch_add(&fault.calls, 1) + 1;
    if (atomic_load(&fault.nth) != 0)
        yes = call == atomic_load(&fault.nth);
    else
        yes = wanted_now() && next_random(&fault.random) % atomic_load(&fault.every) == 0;
    if (yes)
        atomic_fetch_add(&fault.hits, 1);
    return yes;
}

static void start(unsigned kinds, unsigned long nth, uint64_t seed, unsigned long every)
{
    atomic_store(&fault.kinds, 0);
    atomic_store(&fault.nth, nth);
    atomic_store(&fault.random, seed);
    atomic_store(&fault.every, every > 0 ? every : 1);
    atomic_store(&fault.calls, 0);
    atomic_store(&fault.hits, 0);
    atomic_store(&fault.kinds, kinds);
}

void clo_fault_nth(unsigned kinds, unsigned long n)
{
    start(kinds, n, 0, 1);
}

void clo_fault_random(unsigned kinds, uint64_t seed, unsigned every)
{
    start(kinds, 0, seed, every);
}

unsigned long clo_fault_off(void)
{
    atomic_store(&fault.kinds, 0);
    return atomic_load(&fault.hits);
}

void clo_fault_result(int v)
{
    atomic_store(&fault.result, v);
}

/*
 * ---- how a function is replaced, and how its original is reached ----
 *
 * Types, names and lists of parameters can't stand in parentheses. NOLINTBEGIN(bugprone-macro-parentheses)
 */

#ifdef CLO_FAULTS_PRELOAD
#include <dlfcn.h>
#define FN(name)   name
#define REAL(name) real_##name
#define DECLARE(type, name, params)   \
    static type(*real_##name) params; \
    type name params
#define RESOLVE(name)                                         \
    do {                                                      \
        if (real_##name == NULL)                              \
            *(void **)&real_##name = dlsym(RTLD_NEXT, #name); \
    } while (0)
#else
#define FN(name)   __wrap_##name
#define REAL(name) __real_##name
#define DECLARE(type, name, params) \
    type __real_##name params;      \
    type __wrap_##name params;      \
    type __wrap_##name params
#define RESOLVE(name) (void)0
#endif

#define REPLACE(kind, type, failure, name, params, args)  \
    DECLARE(type, name, params)                           \
    {                                                     \
        RESOLVE(name);                                    \
        return fails(kind) ? (failure) : REAL(name) args; \
    }
#define CRYPTO_NUMBER(name, params, args) \
    REPLACE(CLO_FAULT_CRYPTO, int, atomic_load(&fault.result), name, params, args)
#define CRYPTO_POINTER(type, name, params, args) \
    REPLACE(CLO_FAULT_CRYPTO, type *, NULL, name, params, args)

/* ---- the heap ---- */

static void *no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

#ifdef CLO_FAULTS_PRELOAD
/* The originals by names of their own, for dlsym allocates before its answer is there: the sanitizer's if there is one, else glibc's. */
#define ORIGINAL(name, params, args)                                                          \
    void *__libc_##name params;                                                               \
    __attribute__((weak)) void *__interceptor_##name params;                                  \
    static void *original_##name params                                                       \
    {                                                                                         \
        return __interceptor_##name != NULL ? __interceptor_##name args : __libc_##name args; \
    }
/*
 * A library that is spared: libcurl's event-driven side doesn't survive an allocation of its own that fails (7.88 divides by the size of a
 * table that it couldn't make). Asked only where a fault was drawn.
 */
static char spared[64]; /* part of its file's name; "": none */

static bool is_spared(const void *caller)
{
    Dl_info info;

    return spared[0] != '\0' && dladdr(caller, &info) != 0 && info.dli_fname != NULL &&
           strstr(info.dli_fname, spared) != NULL;
}

#define NO_MEMORY() (fails(CLO_FAULT_ALLOC) && !is_spared(__builtin_return_address(0)))
ORIGINAL(malloc, (size_t n), (n))
ORIGINAL(calloc, (size_t n, size_t size), (n, size))
ORIGINAL(realloc, (void *p, size_t n), (p, n))

void *malloc(size_t n)
{
    return NO_MEMORY() ? no_memory() : original_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return NO_MEMORY() ? no_memory() : original_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return NO_MEMORY() && n > 0 ? no_memory() : original_realloc(p, n);
}
#else
static atomic_long live;

static void *counted(void *p)
{
    if (p != NULL)
        atomic_fetch_add(&live, 1);
    return p;
}

DECLARE(void *, malloc, (size_t n))
{
    return fails(CLO_FAULT_ALLOC) ? no_memory() : counted(REAL(malloc)(n));
}

DECLARE(void *, calloc, (size_t n, size_t size))
{
    return fails(CLO_FAULT_ALLOC) ? no_memory() : counted(REAL(calloc)(n, size));
}

DECLARE(void *, realloc, (void *p, size_t n))
{
    void *q;

    if (fails(CLO_FAULT_ALLOC))
        return no_memory();
    q = REAL(realloc)(p, n);
    if (p == NULL)
        (void)counted(q);
    return q;
}

DECLARE(char *, strdup, (const char *s))
{
    return fails(CLO_FAULT_ALLOC) ? no_memory() : counted(REAL(strdup)(s));
}

DECLARE(void, free, (void *p))
{
    if (p != NULL)
        atomic_fetch_sub(&live, 1);
    REAL(free)(p);
}

long clo_fault_live(void)
{
    return atomic_load(&live);
}

/* ---- libcrypto's heap ---- */

static void *crypto_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails(CLO_FAULT_LIBCRYPTO) ? NULL : REAL(malloc)(n);
}

static void *crypto_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails(CLO_FAULT_LIBCRYPTO) ? NULL : REAL(realloc)(p, n);
}

static void crypto_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    REAL(free)(p);
}

bool clo_fault_own_libcrypto(void)
{
    return CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) == 1;
}
#endif

/* ---- libcrypto ---- */

CRYPTO_POINTER(EVP_MD, EVP_MD_fetch, (OSSL_LIB_CTX * c, const char *name, const char *props),
               (c, name, props))
CRYPTO_POINTER(EVP_MAC, EVP_MAC_fetch, (OSSL_LIB_CTX * c, const char *name, const char *props),
               (c, name, props))
CRYPTO_POINTER(EVP_CIPHER, EVP_CIPHER_fetch,
               (OSSL_LIB_CTX * c, const char *name, const char *props), (c, name, props))
CRYPTO_POINTER(EVP_MD_CTX, EVP_MD_CTX_new, (void), ())
CRYPTO_POINTER(EVP_MAC_CTX, EVP_MAC_CTX_new, (EVP_MAC * mac), (mac))
CRYPTO_POINTER(EVP_CIPHER_CTX, EVP_CIPHER_CTX_new, (void), ())
CRYPTO_POINTER(EVP_PKEY_CTX, EVP_PKEY_CTX_new_from_name,
               (OSSL_LIB_CTX * c, const char *name, const char *props), (c, name, props))
CRYPTO_POINTER(EVP_PKEY_CTX, EVP_PKEY_CTX_new_from_pkey,
               (OSSL_LIB_CTX * c, EVP_PKEY *key, const char *props), (c, key, props))
CRYPTO_POINTER(EVP_PKEY, EVP_PKEY_new_raw_private_key_ex,
               (OSSL_LIB_CTX * c, const char *type, const char *props, const unsigned char *p,
                size_t n),
               (c, type, props, p, n))
CRYPTO_POINTER(EVP_PKEY, EVP_PKEY_new_raw_public_key_ex,
               (OSSL_LIB_CTX * c, const char *type, const char *props, const unsigned char *p,
                size_t n),
               (c, type, props, p, n))
CRYPTO_POINTER(X509, d2i_X509, (X509 * *v, const unsigned char **p, long n), (v, p, n))
CRYPTO_POINTER(X509_CRL, d2i_X509_CRL, (X509_CRL * *v, const unsigned char **p, long n), (v, p, n))
CRYPTO_POINTER(ECDSA_SIG, ECDSA_SIG_new, (void), ())
CRYPTO_POINTER(BIGNUM, BN_bin2bn, (const unsigned char *p, int n, BIGNUM *v), (p, n, v))
CRYPTO_POINTER(ASN1_OBJECT, OBJ_txt2obj, (const char *s, int no_name), (s, no_name))

CRYPTO_NUMBER(EVP_DigestInit_ex2, (EVP_MD_CTX * c, const EVP_MD *md, const OSSL_PARAM *params),
              (c, md, params))
CRYPTO_NUMBER(EVP_DigestUpdate, (EVP_MD_CTX * c, const void *p, size_t n), (c, p, n))
CRYPTO_NUMBER(EVP_DigestFinal_ex, (EVP_MD_CTX * c, unsigned char *p, unsigned *n), (c, p, n))
CRYPTO_NUMBER(EVP_DigestFinalXOF, (EVP_MD_CTX * c, unsigned char *p, size_t n), (c, p, n))
CRYPTO_NUMBER(EVP_MAC_init,
              (EVP_MAC_CTX * c, const unsigned char *p, size_t n, const OSSL_PARAM *params),
              (c, p, n, params))
CRYPTO_NUMBER(EVP_MAC_update, (EVP_MAC_CTX * c, const unsigned char *p, size_t n), (c, p, n))
CRYPTO_NUMBER(EVP_MAC_final, (EVP_MAC_CTX * c, unsigned char *p, size_t *ret, size_t n),
              (c, p, ret, n))
CRYPTO_NUMBER(EVP_CipherUpdate,
              (EVP_CIPHER_CTX * c, unsigned char *dst, int *ret, const unsigned char *p, int n),
              (c, dst, ret, p, n))
CRYPTO_NUMBER(EVP_CipherFinal_ex, (EVP_CIPHER_CTX * c, unsigned char *dst, int *n), (c, dst, n))
CRYPTO_NUMBER(EVP_CIPHER_CTX_ctrl, (EVP_CIPHER_CTX * c, int type, int arg, void *p),
              (c, type, arg, p))
CRYPTO_NUMBER(EVP_PKEY_CTX_set_params, (EVP_PKEY_CTX * c, const OSSL_PARAM *params), (c, params))
CRYPTO_NUMBER(EVP_PKEY_keygen_init, (EVP_PKEY_CTX * c), (c))
CRYPTO_NUMBER(EVP_PKEY_generate, (EVP_PKEY_CTX * c, EVP_PKEY **key), (c, key))
CRYPTO_NUMBER(EVP_PKEY_derive_init, (EVP_PKEY_CTX * c), (c))
CRYPTO_NUMBER(EVP_PKEY_derive_set_peer_ex, (EVP_PKEY_CTX * c, EVP_PKEY *peer, int validate),
              (c, peer, validate))
CRYPTO_NUMBER(EVP_PKEY_derive, (EVP_PKEY_CTX * c, unsigned char *p, size_t *n), (c, p, n))
CRYPTO_NUMBER(EVP_PKEY_encapsulate_init, (EVP_PKEY_CTX * c, const OSSL_PARAM *params), (c, params))
CRYPTO_NUMBER(EVP_PKEY_encapsulate,
              (EVP_PKEY_CTX * c, unsigned char *ct, size_t *ct_n, unsigned char *ss, size_t *ss_n),
              (c, ct, ct_n, ss, ss_n))
CRYPTO_NUMBER(EVP_PKEY_decapsulate_init, (EVP_PKEY_CTX * c, const OSSL_PARAM *params), (c, params))
CRYPTO_NUMBER(EVP_PKEY_decapsulate,
              (EVP_PKEY_CTX * c, unsigned char *ss, size_t *ss_n, const unsigned char *ct,
               size_t ct_n),
              (c, ss, ss_n, ct, ct_n))
CRYPTO_NUMBER(EVP_PKEY_get_raw_public_key, (const EVP_PKEY *key, unsigned char *p, size_t *n),
              (key, p, n))
CRYPTO_NUMBER(EVP_DigestSignInit_ex,
              (EVP_MD_CTX * c, EVP_PKEY_CTX **kc, const char *md, OSSL_LIB_CTX *lib,
               const char *props, EVP_PKEY *key, const OSSL_PARAM *params),
              (c, kc, md, lib, props, key, params))
CRYPTO_NUMBER(EVP_DigestSign,
              (EVP_MD_CTX * c, unsigned char *sig, size_t *sig_n, const unsigned char *p, size_t n),
              (c, sig, sig_n, p, n))
CRYPTO_NUMBER(EVP_DigestVerifyInit_ex,
              (EVP_MD_CTX * c, EVP_PKEY_CTX **kc, const char *md, OSSL_LIB_CTX *lib,
               const char *props, EVP_PKEY *key, const OSSL_PARAM *params),
              (c, kc, md, lib, props, key, params))
CRYPTO_NUMBER(EVP_DigestVerify,
              (EVP_MD_CTX * c, const unsigned char *sig, size_t sig_n, const unsigned char *p,
               size_t n),
              (c, sig, sig_n, p, n))
CRYPTO_POINTER(X509_PUBKEY, d2i_X509_PUBKEY, (X509_PUBKEY * *v, const unsigned char **p, long n),
               (v, p, n))
CRYPTO_POINTER(EVP_PKEY, X509_PUBKEY_get, (const X509_PUBKEY *key), (key))
CRYPTO_NUMBER(EVP_PKEY_fromdata_init, (EVP_PKEY_CTX * c), (c))
CRYPTO_NUMBER(EVP_PKEY_fromdata,
              (EVP_PKEY_CTX * c, EVP_PKEY **key, int selection, OSSL_PARAM params[]),
              (c, key, selection, params))
CRYPTO_NUMBER(EVP_PKEY_verify_init, (EVP_PKEY_CTX * c), (c))
CRYPTO_NUMBER(EVP_PKEY_verify,
              (EVP_PKEY_CTX * c, const unsigned char *sig, size_t sig_n, const unsigned char *p,
               size_t n),
              (c, sig, sig_n, p, n))
CRYPTO_NUMBER(EVP_PKEY_CTX_set_rsa_padding, (EVP_PKEY_CTX * c, int pad), (c, pad))
CRYPTO_NUMBER(EVP_PKEY_CTX_set_rsa_pss_saltlen, (EVP_PKEY_CTX * c, int n), (c, n))
CRYPTO_NUMBER(EVP_PKEY_CTX_set_signature_md, (EVP_PKEY_CTX * c, const EVP_MD *md), (c, md))
CRYPTO_NUMBER(EVP_Q_digest,
              (OSSL_LIB_CTX * c, const char *name, const char *props, const void *p, size_t n,
               unsigned char *md, size_t *md_n),
              (c, name, props, p, n, md, md_n))
CRYPTO_NUMBER(X509_verify, (X509 * cert, EVP_PKEY *key), (cert, key))
CRYPTO_NUMBER(X509_CRL_verify, (X509_CRL * crl, EVP_PKEY *key), (crl, key))

#ifdef CLO_FAULTS_PRELOAD
CRYPTO_NUMBER(EVP_CipherInit_ex2,
              (EVP_CIPHER_CTX * c, const EVP_CIPHER *type, const unsigned char *key,
               const unsigned char *iv, int enc, const OSSL_PARAM *params),
              (c, type, key, iv, enc, params))
CRYPTO_NUMBER(RAND_priv_bytes, (unsigned char *p, int n), (p, n))
#else
/* ---- keys and nonces, watched ---- */

#define SEALS_MAX    4096
#define CONTEXTS_MAX 64

static struct {
    const EVP_CIPHER_CTX *ctx;
    bool seals;
    uint8_t key[32];
} context[CONTEXTS_MAX];
static struct {
    uint8_t key[32], nonce[12];
} seal[SEALS_MAX];
static size_t contexts, seals;
static unsigned long misuse;
static _Atomic uint64_t draw;

static bool is_zero(const uint8_t *p, size_t n)
{
    uint8_t any = 0;

    for (size_t i = 0; i < n; i++)
        any |= p[i];
    return any == 0;
}

static void watch_key(const EVP_CIPHER_CTX *c, const EVP_CIPHER *type, const uint8_t *key, int enc)
{
    const size_t n = (size_t)EVP_CIPHER_get_key_length(type);
    size_t i = 0;

    while (i < contexts && context[i].ctx != c)
        i++;
    if (i == CONTEXTS_MAX || is_zero(key, n)) {
        misuse++;
        return;
    }
    contexts = i == contexts ? contexts + 1 : contexts;
    memset(&context[i], 0, sizeof context[i]);
    context[i].ctx = c;
    context[i].seals = enc == 1;
    memcpy(context[i].key, key, n < 32 ? n : 32);
}

static void watch_nonce(const EVP_CIPHER_CTX *c, const uint8_t *nonce)
{
    size_t i = 0;

    while (i < contexts && context[i].ctx != c)
        i++;
    if (i == contexts || is_zero(nonce, 12) || seals == SEALS_MAX) {
        misuse++;
        return;
    }
    if (!context[i].seals)
        return;
    for (size_t k = 0; k < seals; k++) {
        if (memcmp(seal[k].key, context[i].key, 32) == 0 && memcmp(seal[k].nonce, nonce, 12) == 0)
            misuse++;
    }
    memcpy(seal[seals].key, context[i].key, 32);
    memcpy(seal[seals++].nonce, nonce, 12);
}

DECLARE(int, EVP_CipherInit_ex2,
        (EVP_CIPHER_CTX * c, const EVP_CIPHER *type, const unsigned char *key,
         const unsigned char *iv, int enc, const OSSL_PARAM *params))
{
    if (key != NULL)
        watch_key(c, type, key, enc);
    if (iv != NULL)
        watch_nonce(c, iv);
    return fails(CLO_FAULT_CRYPTO) ? atomic_load(&fault.result)
                                   : REAL(EVP_CipherInit_ex2)(c, type, key, iv, enc, params);
}

/* The same bytes in each run. */
int __wrap_RAND_priv_bytes(unsigned char *p, int n);
int __wrap_RAND_priv_bytes(unsigned char *p, int n)
{
    if (fails(CLO_FAULT_CRYPTO))
        return atomic_load(&fault.result);
    for (int i = 0; i < n; i++)
        p[i] = (uint8_t)next_random(&draw);
    return 1;
}

void clo_fault_restart(void)
{
    atomic_store(&draw, 7);
    contexts = seals = 0;
    misuse = 0;
}

unsigned long clo_fault_misuse(void)
{
    return misuse;
}
#endif

/* ---- input and output, preloaded only ---- */

#ifdef CLO_FAULTS_PRELOAD
/*
 * Sockets that were accepted are libmicrohttpd's, which waits for edges: there a short count means that nothing is left, and EAGAIN
 * that an edge will come (epoll(7)); a fault must not say so falsely.
 */
static atomic_bool accepted[65536];

static void mark(int fd, bool yes)
{
    if (fd >= 0 && (size_t)fd < sizeof accepted / sizeof accepted[0])
        atomic_store(&accepted[fd], yes);
}

DECLARE(int, accept4, (int fd, __SOCKADDR_ARG addr, socklen_t *n, int flags))
{
    int new;

    RESOLVE(accept4);
    new = REAL(accept4)(fd, addr, n, flags);
    mark(new, true);
    return new;
}

DECLARE(int, socket, (int domain, int type, int protocol))
{
    int new;

    RESOLVE(socket);
    new = REAL(socket)(domain, type, protocol);
    mark(new, false);
    return new;
}

/* Of a packet the rest would be lost. */
static bool may_be_short(int fd)
{
    socklen_t n = sizeof(int);
    struct stat st;
    int type = 0;

    if (fstat(fd, &st) != 0 || !S_ISSOCK(st.st_mode))
        return true;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_STREAM;
}

/* 0: go on with *n bytes; -1 with errno set. */
static int disturb(int fd, int flags, size_t *n)
{
    const bool edges = fd >= 0 && (size_t)fd < sizeof accepted / sizeof accepted[0] &&
                       atomic_load(&accepted[fd]);
    const uint64_t how = next_random(&fault.random) % 3;

    if (*n < 2 || !fails(CLO_FAULT_IO)) /* wake-ups of one byte fit at any time */
        return 0;
    if (how == 0 || edges) {
        errno = EINTR;
        return -1;
    }
    if (how == 1 && ((flags & MSG_DONTWAIT) != 0 || (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0)) {
        errno = EAGAIN;
        return -1;
    }
    if (*n > 1 && may_be_short(fd))
        *n = 1 + next_random(&fault.random) % (*n - 1);
    return 0;
}

#define REPLACE_IO(name, params, args, flags, n_name)                     \
    DECLARE(ssize_t, name, params)                                        \
    {                                                                     \
        RESOLVE(name);                                                    \
        return disturb(fd, flags, &(n_name)) != 0 ? -1 : REAL(name) args; \
    }
REPLACE_IO(read, (int fd, void *p, size_t n), (fd, p, n), 0, n)
REPLACE_IO(write, (int fd, const void *p, size_t n), (fd, p, n), 0, n)
REPLACE_IO(recv, (int fd, void *p, size_t n, int flags), (fd, p, n, flags), flags, n)
REPLACE_IO(send, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags), flags, n)

static unsigned long setting(const char *name, unsigned long absent)
{
    const char *s = getenv(name);

    return s != NULL ? strtoul(s, NULL, 10) : absent;
}

/* In a cell what is asked here of files and sockets isn't permitted. What fails there is its parent's to see. */
static void child_has_none(void)
{
    (void)clo_fault_off();
}

__attribute__((constructor)) static void from_environment(void)
{
    const unsigned kinds = (unsigned)setting("CLOISTER_FAULT_KINDS", 0);

    const char *file = getenv("CLOISTER_FAULT_WHILE"), *spare = getenv("CLOISTER_FAULT_SPARE");
    int (*init)(uint64_t options, const OPENSSL_INIT_SETTINGS *settings) = NULL;

    /* libcrypto waits for itself for good when the first allocations of its start fail (its error queue wants the same start). */
    *(void **)&init = dlsym(RTLD_DEFAULT, "OPENSSL_init_crypto");
    if (init != NULL)
        (void)init(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    (void)pthread_atfork(NULL, NULL, child_has_none);

    if (file != NULL)
        (void)snprintf(while_file, sizeof while_file, "%s", file);
    if (spare != NULL)
        (void)snprintf(spared, sizeof spared, "%s", spare);
    start(kinds, 0, setting("CLOISTER_FAULT_SEED", 1), setting("CLOISTER_FAULT_EVERY", 1000));
}
#endif
/* NOLINTEND(bugprone-macro-parentheses) */
