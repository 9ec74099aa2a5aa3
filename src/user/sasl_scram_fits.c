/* sasl_scram_fits: see sasl.h. Reads the database's keys, and a password that an administrator has typed. */
#include "user/sasl_parts.h"

#include "base/digest.h"
#include "base/mem.h"

/* Of "ROUNDS:SALT:STORED:SERVER". */
struct parts {
    uint64_t rounds;
    struct span salt, stored;
};

static bool parts_of(const char *keys, struct parts *p)
{
    struct span rest = span_of(keys), rounds = span_cut(&rest, ':');
    p->salt = span_cut(&rest, ':');
    p->stored = span_cut(&rest, ':');
    return span_number(rounds, &p->rounds) && p->rounds > 0 && p->rounds < 10000000 && p->salt.n && p->stored.n && rest.n;
}

int sasl_scram_fits(enum sasl_hash hash, const char *keys, const char *prepared, bool *ok, struct err *err)
{
    Gsasl_hash which = hash == SASL_SHA1 ? GSASL_HASH_SHA1 : GSASL_HASH_SHA256;
    char salted[GSASL_HASH_MAX_SIZE], client[GSASL_HASH_MAX_SIZE], server[GSASL_HASH_MAX_SIZE], stored[GSASL_HASH_MAX_SIZE];
    char *salt = NULL, *text = NULL;
    size_t n = 0, length = 0;
    struct parts p;
    int rc = parts_of(keys, &p) ? gsasl_base64_from(p.salt.p, p.salt.n, &salt, &n) : GSASL_BASE64_ERROR;
    if (rc == GSASL_OK)
        rc = gsasl_scram_secrets_from_password(which, prepared, (unsigned)p.rounds, salt, n, salted, client, server, stored);
    bool made = rc == GSASL_OK && gsasl_base64_to(stored, gsasl_hash_length(which), &text, &length) == GSASL_OK;
    *ok = made && length == p.stored.n && digest_same(text, p.stored.p, length);
    gsasl_free(salt);
    gsasl_free(text);
    mem_wipe(salted, sizeof salted);
    mem_wipe(client, sizeof client);
    mem_wipe(server, sizeof server);
    mem_wipe(stored, sizeof stored);
    /* A password that SASLprep does not permit is nobody's. */
    return made || rc == GSASL_SASLPREP_ERROR ? 0 : err_set(err, ERR_CONFIG, "the SCRAM keys in the users' database are damaged");
}
