/* secret: see the header. Runs in the hashing threads of auth and of `bustia user`. */
#include "user/secret.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"

/* ---- what libcrypt knows */

/* What a check costs: bytes, rounds or a logarithm of them, as the scheme's setting says; UINT64_MAX if it cannot be
 * read. */
typedef uint64_t cost_fn(const char *setting);

static const char digits64[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static uint64_t digit64(char c)
{
    const char *at = c ? strchr(digits64, c) : NULL;
    return at ? (uint64_t)(at - digits64) : UINT64_MAX;
}

static uint64_t memory(uint64_t log2_blocks, uint64_t block)
{
    return log2_blocks < 32 && block < 1 << 20 ? 128 * block << log2_blocks : UINT64_MAX;
}

/* "$y$j9T$": flavour, log2(N) - 1, r - 1; digits from 48 on begin a longer number, far too dear. What may follow
 * (parallelism, more time) multiplies the work, and nobody's crypt(3) makes it. */
static uint64_t cost_yescrypt(const char *setting)
{
    const char *at = setting + (setting[1] == 'g' ? 4 : 3);
    uint64_t n = digit64(at[0]) < 48 ? digit64(at[1]) : UINT64_MAX, r = n < 48 ? digit64(at[2]) : UINT64_MAX;
    return r < 48 && at[3] == '$' ? memory(n + 1, r + 1) : UINT64_MAX;
}

/* Five digits, the lowest first. */
static uint64_t number64(const char *text)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < 5; i++) {
        uint64_t digit = digit64(text[i]);
        if (digit > 63)
            return UINT64_MAX;
        n |= digit << (6 * i);
    }
    return n;
}

/* "$7$CU..../....": log2(N), then r and p; p times over. */
static uint64_t cost_scrypt(const char *setting)
{
    uint64_t r = setting[3] ? number64(setting + 4) : UINT64_MAX;
    uint64_t p = r < UINT64_MAX ? number64(setting + 9) : UINT64_MAX, once = memory(digit64(setting[3]), r);
    return once < UINT64_MAX && p < 1 << 20 ? once * p : UINT64_MAX;
}

static uint64_t cost_bcrypt(const char *setting)
{
    return strtoul(setting + 4, NULL, 10);
}

static uint64_t cost_rounds(const char *setting)
{
    const char *at = strstr(setting, "rounds=");
    return at ? strtoul(at + 7, NULL, 10) : 0;
}

static uint64_t cost_sha1(const char *setting)
{
    return strtoul(setting + 6, NULL, 10);
}

static uint64_t cost_none(const char *setting)
{
    return 0;
}

/* What is accepted, and how many characters of hash follow the last '$': a setting without its hash fits no password.
 * The ceilings are about a second of work or 64 MB (libcrypt's own default for scrypt): one log-in must not hold up the
 * rest. Not here: DES (looks at eight characters), BSDi's DES, NT (no salt), and "$2x$", which reproduces a bug. */
/* clang-format off */
static const struct scheme {
    const char *prefix, *name;
    size_t tail;
    cost_fn *cost;
    uint64_t ceiling;
} schemes[] = {
    {"$y$",    "yescrypt",      43, cost_yescrypt, 64 << 20},
    {"$gy$",   "gost-yescrypt", 43, cost_yescrypt, 64 << 20},
    {"$7$",    "scrypt",        43, cost_scrypt,   64 << 20},
    {"$2b$",   "bcrypt",        53, cost_bcrypt,   14},
    {"$2a$",   "bcrypt",        53, cost_bcrypt,   14},
    {"$2y$",   "bcrypt",        53, cost_bcrypt,   14},
    {"$6$",    "SHA-512",       86, cost_rounds,   2000000},
    {"$5$",    "SHA-256",       43, cost_rounds,   2000000},
    {"$sha1$", "SHA-1",         28, cost_sha1,     2000000},
    {"$md5",   "Sun MD5",       22, cost_rounds,   200000},
    {"$1$",    "MD5",           22, cost_none,     0},
};
/* clang-format on */

static const struct scheme *scheme_of(const char *verifier)
{
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strncmp(verifier, schemes[i].prefix, strlen(schemes[i].prefix)) == 0)
            return &schemes[i];
    return NULL;
}

const char *secret_scheme(const char *verifier)
{
    const struct scheme *scheme = scheme_of(verifier);
    return scheme ? scheme->name : *verifier ? "unknown" : "none";
}

int secret_check(const char *verifier, struct err *err)
{
    const struct scheme *scheme = scheme_of(verifier);
    if (!scheme && (strlen(verifier) == 13 || *verifier == '_'))
        return err_set(err, ERR_INPUT, "a DES hash: too weak, the user needs a new password");
    if (!scheme)
        return err_set(err, ERR_INPUT, "a password hash of a scheme that libcrypt does not know, or that is too weak");
    const char *hash = strrchr(verifier, '$') + 1;
    if (strlen(hash) != scheme->tail || strlen(verifier) >= CRYPT_OUTPUT_SIZE ||
        crypt_checksalt(verifier) == CRYPT_SALT_INVALID)
        return err_set(err, ERR_INPUT, "a damaged password hash (%s)", scheme->name);
    if (scheme->cost(verifier) > scheme->ceiling)
        return err_set(err, ERR_INPUT, "a password hash too dear to check (%s)", scheme->name);
    return 0;
}

bool secret_known(const char *verifier)
{
    return secret_check(verifier, NULL) == 0;
}

/* ---- passwords */

char *secret_prepare(struct span password)
{
    if (password.n && memchr(password.p, '\0', password.n))
        return NULL;
    char *prepared = sasl_prepare(password);
    return prepared ? prepared : mem_copy(password.p, password.n);
}

void secret_free(char *text)
{
    user_wipe(text);
}

static char *no_hash(enum err_kind kind, const char *why, struct err *err)
{
    err_set(err, kind, "the password cannot be hashed: %s", why);
    return NULL;
}

/* crypt(3) with its working memory on the heap, wiped. NULL with err; errno says why too. */
static char *hash(const char *password, const char *setting, struct err *err)
{
    struct crypt_data *work = mem_alloc(sizeof *work);
    char *out = crypt_rn(password, setting, work, (int)sizeof *work);
    int why = errno;
    char *copy = out ? mem_copy_text(out) : no_hash(why == ENOMEM ? ERR_TEMP : ERR_PERM, strerror(why), err);
    mem_wipe(work, sizeof *work);
    mem_free(work);
    return copy;
}

/* A setting for yescrypt at libcrypt's own default cost, with 128 bits of salt. */
static char *setting_of(const unsigned char salt[16], char out[CRYPT_GENSALT_OUTPUT_SIZE])
{
    return crypt_gensalt_rn("$y$", 0, (const char *)salt, 16, out, CRYPT_GENSALT_OUTPUT_SIZE);
}

static void put(char **field, char *text)
{
    secret_free(*field);
    *field = text;
}

/* "" for a password that SCRAM does not take: it lets in by what shows it. */
static char *scram_keys(enum sasl_hash hash, const char *prepared, struct err *err)
{
    struct err why = {.kind = ERR_NONE};
    char *keys = sasl_scram_keys(hash, prepared, &why);
    if (!keys && why.kind == ERR_INPUT)
        return mem_copy_text("");
    if (!keys && err)
        *err = why;
    return keys;
}

int secret_make(struct user *u, const char *prepared, bool apop, struct err *err)
{
    unsigned char salt[16];
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    if (*prepared == '\0')
        return err_set(err, ERR_INPUT, "the password is empty");
    if (strlen(prepared) > SECRET_MAX)
        return err_set(err, ERR_INPUT, "the password has more than %d bytes", SECRET_MAX);
    digest_random(salt, sizeof salt);
    if (!setting_of(salt, setting))
        return err_set(err, ERR_PERM, "libcrypt has no yescrypt");
    char *verifier = hash(prepared, setting, err);
    char *scram1 = verifier ? scram_keys(SASL_SHA1, prepared, err) : NULL;
    char *scram256 = scram1 ? scram_keys(SASL_SHA256, prepared, err) : NULL;
    if (!scram256) {
        secret_free(verifier);
        secret_free(scram1);
        return -1;
    }
    put(&u->verifier, verifier);
    put(&u->scram1, scram1);
    put(&u->scram256, scram256);
    put(&u->apop, mem_copy_text(apop ? prepared : ""));
    return 0;
}

static int fits(const char *verifier, const char *password, bool *ok, struct err *err)
{
    size_t n = strlen(verifier);
    char *made = hash(password, verifier, err);
    if (!made)
        return -1;
    *ok = strlen(made) == n && digest_same(made, verifier, n);
    secret_free(made);
    return 0;
}

int secret_verify(const char *verifier, const char *prepared, const char *raw, bool *ok, struct err *err)
{
    *ok = false;
    if (strlen(prepared) > SECRET_MAX || strlen(raw) > SECRET_MAX)
        return 0; /* no password is longer; libcrypt refuses it before any work, for everybody alike */
    if (*verifier == '\0' || *verifier == '*' || *verifier == '!') {
        secret_verify_nobody(prepared, raw); /* locked, by shadow(5)'s custom */
        return 0;
    }
    if (fits(verifier, prepared, ok, err))
        return -1;
    return *ok || strcmp(raw, prepared) == 0 ? 0 : fits(verifier, raw, ok, err);
}

void secret_verify_nobody(const char *prepared, const char *raw)
{
    static const unsigned char salt[16] = {0};
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    if (strlen(prepared) > SECRET_MAX || strlen(raw) > SECRET_MAX || !setting_of(salt, setting))
        return;
    secret_free(hash(prepared, setting, NULL));
    if (strcmp(raw, prepared) != 0)
        secret_free(hash(raw, setting, NULL));
}

void secret_generate(char out[32])
{
    static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789"; /* no i, l, o, 0, 1 */
    enum { LETTERS = sizeof letters - 1, FAIR = 256 / LETTERS * LETTERS };
    char *p = out;
    for (unsigned i = 0; i < 20;) {
        unsigned char byte;
        digest_random(&byte, 1);
        if (byte >= FAIR)
            continue; /* else the first letters would be likelier */
        if (i && i % 5 == 0)
            *p++ = '-';
        *p++ = letters[byte % LETTERS];
        i++;
    }
    *p = '\0';
}
