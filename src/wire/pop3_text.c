/* pop3_text: see the header. Door and mail process. */
#include "wire/pop3_text.h"

#include <string.h>

/* clang-format off */
static const char *const texts[POP3_TEXTS][POP3_LANGUAGES] = {
    [SAY_READY] = {"bustia ready%s", "bustia a punt%s", "bustia lista%s", "bustia ist bereit%s", "bustia est prêt%s"},
    [SAY_HAS] = {"%s has %1 message(s) (%2 octets)",
                 "%s té %1 missatge(s) (%2 octets)",
                 "%s tiene %1 mensaje(s) (%2 octetos)",
                 "%s hat %1 Nachricht(en) (%2 Oktette)",
                 "%s a %1 message(s) (%2 octets)"},
    [SAY_HAS_UNNAMED] = {"maildrop has %1 message(s) (%2 octets)",
                         "La bústia té %1 missatge(s) (%2 octets)",
                         "El buzón tiene %1 mensaje(s) (%2 octetos)",
                         "Das Postfach hat %1 Nachricht(en) (%2 Oktette)",
                         "La boîte contient %1 message(s) (%2 octets)"},
    [SAY_BYE] = {"Bye", "Adéu", "Adiós", "Auf Wiedersehen", "Au revoir"},
    [SAY_REMOVED] = {"Bye, %1 message(s) removed",
                     "Adéu, %1 missatge(s) esborrat(s)",
                     "Adiós, %1 mensaje(s) borrado(s)",
                     "Auf Wiedersehen, %1 Nachricht(en) gelöscht",
                     "Au revoir, %1 message(s) supprimé(s)"},
    [SAY_LEFT] = {"%1 message(s) not removed",
                  "%1 missatge(s) no esborrat(s)",
                  "%1 mensaje(s) no borrado(s)",
                  "%1 Nachricht(en) nicht gelöscht",
                  "%1 message(s) non supprimé(s)"},
    [SAY_PERHAPS_LEFT] = {"%1 message(s) perhaps not removed",
                          "%1 missatge(s) potser no esborrat(s)",
                          "%1 mensaje(s) quizá no borrado(s)",
                          "%1 Nachricht(en) vielleicht nicht gelöscht",
                          "%1 message(s) peut-être non supprimé(s)"},
    [SAY_UNCERTAIN] = {"It is not certain that the removal will last",
                       "No és segur que l'esborrament perduri",
                       "No es seguro que el borrado perdure",
                       "Es ist nicht sicher, dass die Löschung von Dauer ist",
                       "Il n'est pas certain que la suppression soit durable"},
    [SAY_STOPPING] = {"The server is stopping",
                      "El servidor s'atura",
                      "El servidor se está deteniendo",
                      "Der Server wird beendet",
                      "Le serveur s'arrête"},
    [SAY_KICKED] = {"Ended by the administrator",
                    "L'administrador ha tancat la sessió",
                    "El administrador ha cerrado la sesión",
                    "Vom Administrator beendet",
                    "Session fermée par l'administrateur"},
    [SAY_TAKEN_OVER] = {"Another session has taken the maildrop",
                        "Una altra sessió ha pres la bústia",
                        "Otra sesión ha tomado el buzón",
                        "Eine andere Sitzung hat das Postfach übernommen",
                        "Une autre session a pris la boîte"},
    [SAY_TOO_MANY] = {"Too many connections, try again later",
                      "Hi ha massa connexions, torneu-ho a provar més tard",
                      "Hay demasiadas conexiones, inténtelo más tarde",
                      "Zu viele Verbindungen, bitte später erneut versuchen",
                      "Trop de connexions, réessayez plus tard"},

    [SAY_LINE_LONG] = {"A command has at most %1 octets",
                       "Una ordre té com a màxim %1 octets",
                       "Una orden tiene como máximo %1 octetos",
                       "Ein Befehl hat höchstens %1 Oktette",
                       "Une commande compte au plus %1 octets"},
    [SAY_NUL] = {"A command holds no NUL and no lone CR",
                 "Una ordre no conté cap NUL ni cap CR aïllat",
                 "Una orden no contiene ningún NUL ni ningún CR aislado",
                 "Ein Befehl enthält kein NUL und kein einzelnes CR",
                 "Une commande ne contient ni NUL ni CR isolé"},
    [SAY_UNKNOWN] = {"Unknown command", "Ordre desconeguda", "Orden desconocida", "Unbekannter Befehl", "Commande inconnue"},
    [SAY_LOG_IN_FIRST] = {"Log in first",
                          "Primer cal iniciar la sessió",
                          "Primero hay que iniciar la sesión",
                          "Bitte zuerst anmelden",
                          "Il faut d'abord s'identifier"},
    [SAY_LOGGED_IN] = {"You are logged in already",
                       "La sessió ja està iniciada",
                       "La sesión ya está iniciada",
                       "Die Anmeldung ist bereits erfolgt",
                       "La session est déjà ouverte"},
    [SAY_ARGUMENTS] = {"%s takes other arguments",
                       "%s admet uns altres arguments",
                       "%s lleva otros argumentos",
                       "%s erwartet andere Argumente",
                       "%s prend d'autres arguments"},

    [SAY_NEEDS_TLS] = {"Passwords are not taken without TLS",
                       "Sense TLS no s'accepten contrasenyes",
                       "Sin TLS no se aceptan contraseñas",
                       "Ohne TLS werden keine Passwörter angenommen",
                       "Les mots de passe ne sont pas acceptés sans TLS"},
    [SAY_SEND_PASSWORD] = {"Send the password",
                           "Envieu la contrasenya",
                           "Envíe la contraseña",
                           "Bitte das Passwort senden",
                           "Envoyez le mot de passe"},
    [SAY_USER_FIRST] = {"Send USER first",
                        "Primer envieu USER",
                        "Envíe primero USER",
                        "Bitte zuerst USER senden",
                        "Envoyez d'abord USER"},
    [SAY_NO_APOP] = {"APOP is not offered here",
                     "Aquí no s'ofereix APOP",
                     "Aquí no se ofrece APOP",
                     "APOP wird hier nicht angeboten",
                     "APOP n'est pas proposé ici"},
    [SAY_DIGEST] = {"An APOP digest has 32 hexadecimal digits in lower case",
                    "Un resum APOP té 32 dígits hexadecimals en minúscules",
                    "Un resumen APOP tiene 32 dígitos hexadecimales en minúsculas",
                    "Ein APOP-Hashwert hat 32 hexadezimale Ziffern in Kleinschreibung",
                    "Une empreinte APOP compte 32 chiffres hexadécimaux en minuscules"},
    [SAY_MECHANISMS] = {"Mechanisms follow",
                        "Segueixen els mecanismes",
                        "Siguen los mecanismos",
                        "Es folgen die Verfahren",
                        "Voici les mécanismes"},
    [SAY_SHOWS] = {"This mechanism shows the password and needs TLS",
                   "Aquest mecanisme mostra la contrasenya i necessita TLS",
                   "Este mecanismo muestra la contraseña y necesita TLS",
                   "Dieses Verfahren zeigt das Passwort und braucht TLS",
                   "Ce mécanisme montre le mot de passe et exige TLS"},
    [SAY_NO_MECHANISM] = {"This mechanism is not offered",
                          "Aquest mecanisme no s'ofereix",
                          "Este mecanismo no se ofrece",
                          "Dieses Verfahren wird nicht angeboten",
                          "Ce mécanisme n'est pas proposé"},
    [SAY_INITIAL] = {"The initial response is not base64",
                     "La resposta inicial no és base64",
                     "La respuesta inicial no es base64",
                     "Die erste Antwort ist kein base64",
                     "La réponse initiale n'est pas du base64"},
    [SAY_CANCELLED] = {"The exchange is cancelled",
                       "L'intercanvi s'ha cancel·lat",
                       "El intercambio se ha cancelado",
                       "Der Austausch wurde abgebrochen",
                       "L'échange est annulé"},
    [SAY_RESPONSE] = {"The response is not base64",
                      "La resposta no és base64",
                      "La respuesta no es base64",
                      "Die Antwort ist kein base64",
                      "La réponse n'est pas du base64"},
    [SAY_RESPONSE_LONG] = {"The response is too long",
                           "La resposta és massa llarga",
                           "La respuesta es demasiado larga",
                           "Die Antwort ist zu lang",
                           "La réponse est trop longue"},
    [SAY_EXCHANGE_LONG] = {"The exchange is too long",
                           "L'intercanvi és massa llarg",
                           "El intercambio es demasiado largo",
                           "Der Austausch ist zu lang",
                           "L'échange est trop long"},
    [SAY_TLS_ACTIVE] = {"TLS is active already",
                        "TLS ja està actiu",
                        "TLS ya está activo",
                        "TLS ist schon aktiv",
                        "TLS est déjà actif"},
    [SAY_NO_TLS] = {"TLS is not offered here",
                    "Aquí no s'ofereix TLS",
                    "Aquí no se ofrece TLS",
                    "TLS wird hier nicht angeboten",
                    "TLS n'est pas proposé ici"},
    [SAY_BEGIN_TLS] = {"Begin TLS", "Comenceu TLS", "Comience TLS", "Bitte TLS beginnen", "Commencez TLS"},

    /* The same for an unknown name and a wrong password (RFC 3206 §4). */
    [SAY_REFUSED] = {"Log-in is not possible",
                     "No és possible iniciar la sessió",
                     "No es posible iniciar la sesión",
                     "Die Anmeldung ist nicht möglich",
                     "La connexion n'est pas possible"},
    [SAY_REFUSED_NOW] = {"Log-in is not possible now, try again later",
                         "Ara no és possible iniciar la sessió, torneu-ho a provar més tard",
                         "Ahora no es posible iniciar la sesión, inténtelo más tarde",
                         "Die Anmeldung ist gerade nicht möglich, bitte später erneut versuchen",
                         "La connexion n'est pas possible pour le moment, réessayez plus tard"},
    [SAY_REFUSED_ASK] = {"Log-in is not possible, ask the administrator",
                         "No és possible iniciar la sessió, consulteu l'administrador",
                         "No es posible iniciar la sesión, consulte al administrador",
                         "Die Anmeldung ist nicht möglich, bitte den Administrator fragen",
                         "La connexion n'est pas possible, adressez-vous à l'administrateur"},
    [SAY_IN_USE] = {"The maildrop is open in another session",
                    "La bústia és oberta en una altra sessió",
                    "El buzón está abierto en otra sesión",
                    "Das Postfach ist in einer anderen Sitzung geöffnet",
                    "La boîte est ouverte dans une autre session"},
    [SAY_WRONG] = {"The name or the password is wrong",
                   "El nom o la contrasenya no són correctes",
                   "El nombre o la contraseña no son correctos",
                   "Name oder Passwort ist falsch",
                   "Le nom ou le mot de passe est incorrect"},
    [SAY_MALFORMED] = {"The exchange is not well formed",
                       "L'intercanvi no està ben format",
                       "El intercambio no está bien formado",
                       "Der Austausch ist nicht wohlgeformt",
                       "L'échange est mal formé"},
    [SAY_TOO_MUCH] = {"There is too much to do, try again later",
                      "Hi ha massa feina, torneu-ho a provar més tard",
                      "Hay demasiado trabajo, inténtelo más tarde",
                      "Es gibt zu viel zu tun, bitte später erneut versuchen",
                      "Le serveur est trop occupé, réessayez plus tard"},
    [SAY_TOO_SOON] = {"The last log-in was a moment ago, try again later",
                      "L'última sessió és molt recent, torneu-ho a provar més tard",
                      "La última sesión es muy reciente, inténtelo más tarde",
                      "Die letzte Anmeldung ist noch nicht lange her, bitte später erneut versuchen",
                      "La dernière connexion est trop récente, réessayez plus tard"},

    [SAY_CAPABILITIES] = {"Capabilities follow",
                          "Segueixen les capacitats",
                          "Siguen las capacidades",
                          "Es folgen die Fähigkeiten",
                          "Voici les capacités"},
    [SAY_COUNT] = {"%1 message(s) (%2 octets)",
                   "%1 missatge(s) (%2 octets)",
                   "%1 mensaje(s) (%2 octetos)",
                   "%1 Nachricht(en) (%2 Oktette)",
                   "%1 message(s) (%2 octets)"},
    [SAY_UIDS] = {"Unique ids follow",
                  "Segueixen els identificadors únics",
                  "Siguen los identificadores únicos",
                  "Es folgen die eindeutigen Kennungen",
                  "Voici les identifiants uniques"},
    [SAY_OCTETS] = {"%1 octets", "%1 octets", "%1 octetos", "%1 Oktette", "%1 octets"},
    [SAY_TOP] = {"Top of the message follows",
                 "Segueix el començament del missatge",
                 "Sigue el comienzo del mensaje",
                 "Es folgt der Anfang der Nachricht",
                 "Voici le début du message"},
    [SAY_DELETED] = {"Message %1 is deleted",
                     "El missatge %1 queda marcat per esborrar",
                     "El mensaje %1 queda marcado para borrar",
                     "Nachricht %1 ist zum Löschen vorgemerkt",
                     "Le message %1 est marqué pour suppression"},
    [SAY_STILL_HERE] = {"Still here", "Continuo aquí", "Sigo aquí", "Noch da", "Toujours là"},
    [SAY_NO_NUMBER] = {"That is no message number",
                       "Això no és cap número de missatge",
                       "Eso no es un número de mensaje",
                       "Das ist keine Nachrichtennummer",
                       "Ce n'est pas un numéro de message"},
    [SAY_NO_MESSAGE] = {"There is no such message",
                        "No hi ha cap missatge amb aquest número",
                        "No hay ningún mensaje con ese número",
                        "Eine solche Nachricht gibt es nicht",
                        "Aucun message ne porte ce numéro"},
    [SAY_IS_DELETED] = {"The message is deleted",
                        "El missatge està marcat per esborrar",
                        "El mensaje está marcado para borrar",
                        "Die Nachricht ist zum Löschen vorgemerkt",
                        "Le message est marqué pour suppression"},
    [SAY_NO_LINES] = {"That is no number of lines",
                      "Això no és cap nombre de línies",
                      "Eso no es un número de líneas",
                      "Das ist keine Zeilenzahl",
                      "Ce n'est pas un nombre de lignes"},
    [SAY_GONE] = {"The message is not there any more",
                  "El missatge ja no hi és",
                  "El mensaje ya no está",
                  "Die Nachricht ist nicht mehr da",
                  "Le message n'est plus là"},
    [SAY_UNREADABLE] = {"The message cannot be read now",
                        "Ara no es pot llegir el missatge",
                        "Ahora no se puede leer el mensaje",
                        "Die Nachricht kann gerade nicht gelesen werden",
                        "Le message ne peut pas être lu pour le moment"},
    [SAY_NO_MAILDROP] = {"The maildrop cannot be read now",
                         "Ara no es pot llegir la bústia",
                         "Ahora no se puede leer el buzón",
                         "Das Postfach kann gerade nicht gelesen werden",
                         "La boîte aux lettres ne peut pas être lue pour le moment"},

    /* The tag stands first, a blank behind it: clients read it (RFC 6856 §3.2). */
    [SAY_LANGUAGE_SET] = {"%s Language changed", "%s Llengua canviada", "%s Idioma cambiado", "%s Sprache gewechselt",
                          "%s Langue changée"},
    [SAY_NO_LANGUAGE] = {"This language is not offered",
                         "Aquesta llengua no s'ofereix",
                         "Este idioma no se ofrece",
                         "Diese Sprache wird nicht angeboten",
                         "Cette langue n'est pas proposée"},
    [SAY_LANGUAGES] = {"Languages follow",
                       "Segueixen les llengües",
                       "Siguen los idiomas",
                       "Es folgen die Sprachen",
                       "Voici les langues"},
    [SAY_UTF8] = {"Messages come as they are, in UTF-8",
                  "Els missatges s'envien tal com són, en UTF-8",
                  "Los mensajes se envían tal como son, en UTF-8",
                  "Nachrichten kommen, wie sie sind, in UTF-8",
                  "Les messages sont envoyés tels quels, en UTF-8"},
    [SAY_NO_UTF8] = {"UTF8 is not offered here",
                     "Aquí no s'ofereix UTF8",
                     "Aquí no se ofrece UTF8",
                     "UTF8 wird hier nicht angeboten",
                     "UTF8 n'est pas proposé ici"},
    [SAY_STLS_FIRST] = {"STLS comes before UTF8",
                        "STLS va abans d'UTF8",
                        "STLS va antes de UTF8",
                        "STLS kommt vor UTF8",
                        "STLS vient avant UTF8"},
};

static const struct pop3_tag tags[] = {
    {"en", "English", POP3_ENGLISH},
    {"ca", "català", POP3_CATALAN},
    {"es", "español", POP3_SPANISH},
    {"de", "Deutsch", POP3_GERMAN},
    {"fr", "français", POP3_FRENCH},
    {"i-default", "English", POP3_ENGLISH},
};
/* clang-format on */

enum { TAGS = sizeof tags / sizeof *tags };

const char *pop3_text(enum pop3_language language, enum pop3_text text)
{
    return texts[text][language];
}

/* ---- filling */

struct writer {
    char *out;
    size_t n, room;
};

static void put(struct writer *w, const char *p, size_t n)
{
    if (n > w->room - w->n)
        n = w->room - w->n;
    memcpy(w->out + w->n, p, n);
    w->n += n;
}

static void put_number(struct writer *w, uint64_t v)
{
    char digits[SPAN_DIGITS];
    put(w, digits, (size_t)(span_put_number(digits, v) - digits));
}

size_t pop3_text_write(enum pop3_language language, enum pop3_text text, const struct pop3_fill *fill, char *out, size_t room)
{
    struct writer w = {out, 0, room};
    const char *p = texts[text][language];
    for (const char *mark; (mark = strchr(p, '%')); p = mark + 2) {
        put(&w, p, (size_t)(mark - p));
        if (mark[1] == 's')
            put(&w, fill->s ? fill->s : "", fill->s ? strlen(fill->s) : 0);
        else
            put_number(&w, mark[1] == '1' ? fill->n1 : fill->n2);
    }
    put(&w, p, strlen(p));
    return w.n;
}

/* ---- languages */

const struct pop3_tag *pop3_tag(unsigned n)
{
    return n < TAGS ? &tags[n] : NULL;
}

const struct pop3_tag *pop3_tag_of(unsigned language)
{
    return &tags[language < POP3_LANGUAGES ? language : POP3_ENGLISH];
}

const struct pop3_tag *pop3_tag_find(struct span range)
{
    while (range.n) {
        for (unsigned i = 0; i < TAGS; i++)
            if (span_is_nocase(range, tags[i].tag))
                return &tags[i];
        do /* the last subtag goes, and one of a single letter before it, which says nothing alone */
            range.n--;
        while (range.n && range.p[range.n] != '-');
        if (range.n >= 2 && range.p[range.n - 2] == '-')
            range.n -= 2;
    }
    return NULL;
}
