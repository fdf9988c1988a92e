/* SPDX-License-Identifier: Apache-2.0 */
/* Line editing: see prompt.h. */
#include "client/prompt.h"

#include <errno.h>
#include <histedit.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "base/secret.h"
#include "client/stop.h"

enum {
    HISTORY = 200,
    PASTE_MAX = 1 << 20, /* characters */
};

#define BLOCK       "\"\"\""
#define PASTE_ON    "\033[?2004h" /* the terminal then marks pasted text */
#define PASTE_OFF   "\033[?2004l"
#define PASTE_BEGIN "\033[200~"
#define PASTE_END   L"\033[201~"

struct clo_prompt {
    EditLine *el;
    History *history;
    const char *text;
    int (*idle)(void *ctx);
    void *ctx;
    int wait_ms;  /* until idle wants to be called again */
    bool smart;   /* the terminal knows more than plain lines */
    bool more;    /* inside a message */
    bool stopped; /* by a signal */
    struct termios before, quiet;
    mbstate_t state;
};

static char *prompt_text(EditLine *el)
{
    static char more[] = "… ";
    struct clo_prompt *p = NULL;

    (void)el_get(el, EL_CLIENTDATA, &p);
    return p->more ? more : (char *)(uintptr_t)p->text;
}

/* After Ctrl-Z and fg: the shell has changed the terminal's modes and the screen. */
static void take_back(struct clo_prompt *p)
{
    (void)el_set(p->el, EL_PREP_TERM, 0);
    (void)el_set(p->el, EL_PREP_TERM, 1);
    if (p->smart)
        (void)!write(STDOUT_FILENO, PASTE_ON, strlen(PASTE_ON));
    (void)el_set(p->el, EL_REFRESH);
}

/* One byte from the terminal; 0 at its end, -1 for a stop. Waiting is the time for idle work. */
static int next_byte(struct clo_prompt *p, char *ret)
{
    struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                            {.fd = clo_stop_fd(), .events = POLLIN}};

    for (;;) {
        const int n = poll(fds, 2, p->wait_ms);

        if (clo_stop_resized())
            el_resize(p->el);
        if (clo_stop_continued())
            take_back(p);
        if (n < 0 && errno != EINTR)
            return -1;
        if (clo_stop_signal() != 0) {
            p->stopped = true;
            return -1;
        }
        if (n == 0)
            p->wait_ms = p->idle(p->ctx);
        if (n > 0 && fds[0].revents != 0) {
            const ssize_t got = read(STDIN_FILENO, ret, 1);

            if (got >= 0 || errno != EINTR)
                return got > 0 ? 1 : 0;
        }
    }
}

/* libedit's source of characters. */
static int next_char(EditLine *el, wchar_t *ret)
{
    struct clo_prompt *p = NULL;

    (void)el_get(el, EL_CLIENTDATA, &p);
    for (;;) {
        char c = 0;
        const int got = next_byte(p, &c);

        if (got <= 0)
            return got;
        switch (mbrtowc(ret, &c, 1, &p->state)) {
        case (size_t)-2: break; /* incomplete */
        case (size_t)-1:
            p->state = (mbstate_t){0};
            *ret = L'?';
            return 1;
        default: return 1;
        }
    }
}

/* Pasted text goes into the line as it is, line ends included, so that it is sent as one message. */
static unsigned char on_paste(EditLine *el, int ch)
{
    const size_t end_n = sizeof(PASTE_END) / sizeof(wchar_t) - 1;
    wchar_t *text = clo_wipe_malloc((PASTE_MAX + 1) * sizeof(*text)), c = 0;
    size_t n = 0;
    unsigned char done = CC_EOF;
    bool over = false;

    (void)ch;
    if (text == NULL)
        return CC_ERROR;
    while (el_wgetc(el, &c) == 1) {
        if (n ==
            PASTE_MAX) { /* read to its end all the same: the rest would be taken for what is typed */
            wmemmove(text, text + n - end_n, end_n);
            n = end_n;
            over = true;
        }
        text[n++] = c == L'\r' ? L'\n' : c;
        if (n >= end_n && wmemcmp(text + n - end_n, PASTE_END, end_n) == 0) {
            n = over ? 0 : n - end_n;
            done = over ? CC_ERROR : CC_REFRESH; /* a beep, and nothing of it */
            break;
        }
    }
    text[n] = L'\0';
    if (done == CC_REFRESH && n > 0 && el_winsertstr(el, text) != 0)
        done = CC_ERROR;
    clo_wipe_free(text);
    return done;
}

int clo_prompt_new(const char *text, int (*idle)(void *ctx), void *ctx, struct clo_prompt **ret)
{
    struct clo_prompt *p = calloc(1, sizeof(*p));
    const char *term = getenv("TERM");
    HistEvent ev = {0};

    if (p == NULL)
        return CLOISTER_E_MEMORY;
    p->text = text;
    p->idle = idle;
    p->ctx = ctx;
    p->smart = term != NULL && strcmp(term, "dumb") != 0;
    if (tcgetattr(STDIN_FILENO, &p->before) != 0) {
        free(p);
        return CLOISTER_E_IO;
    }
    /* While an answer is shown, what is typed ahead is neither echoed into it nor lost; Ctrl-C works. */
    p->quiet = p->before;
    p->quiet.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    p->quiet.c_cc[VMIN] = 1;
    p->quiet.c_cc[VTIME] = 0;
    p->history = history_init();
    p->el = el_init("cloister", stdin, stdout, stderr);
    if (p->history == NULL || p->el == NULL || history(p->history, &ev, H_SETSIZE, HISTORY) < 0 ||
        history(p->history, &ev, H_SETUNIQUE, 1) < 0 || el_set(p->el, EL_CLIENTDATA, p) != 0 ||
        el_set(p->el, EL_EDITOR, "emacs") != 0 ||
        el_set(p->el, EL_HIST, history, p->history) != 0 ||
        el_set(p->el, EL_PROMPT_ESC, prompt_text, '\1') != 0 ||
        el_set(p->el, EL_GETCFN, next_char) != 0) {
        clo_prompt_free(p);
        return CLOISTER_E_MEMORY;
    }
    if (p->smart) {
        /* The wide call keeps the two strings themselves; the other one copies them and never frees the copies. */
        (void)el_wset(p->el, EL_ADDFN, L"cloister-paste", L"insert pasted text", on_paste);
        (void)el_set(p->el, EL_BIND, PASTE_BEGIN, "cloister-paste", NULL);
        (void)el_set(p->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
    }
    *ret = p;
    return 0;
}

void clo_prompt_free(struct clo_prompt *p)
{
    if (p == NULL)
        return;
    if (p->el != NULL)
        el_end(p->el);
    if (p->history != NULL)
        history_end(p->history);
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &p->before);
    free(p);
}

/* One line without its end; borrowed from libedit. */
static int read_line(struct clo_prompt *p, const char **ret, size_t *ret_n)
{
    int n = 0;
    const char *line;

    p->stopped = false;
    p->state = (mbstate_t){0};
    (void)
        clo_stop_continued(); /* while an answer was shown: what follows takes the terminal anyway */
    if (p->smart)
        (void)!write(STDOUT_FILENO, PASTE_ON, strlen(PASTE_ON));
    /* libedit shows its prompt before it takes the terminal over: what is typed in between would be lost. */
    (void)el_set(p->el, EL_PREP_TERM, 1);
    line = el_gets(p->el, &n);
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &p->quiet);
    if (p->smart)
        (void)!write(STDOUT_FILENO, PASTE_OFF, strlen(PASTE_OFF));
    if (p->stopped || line == NULL || n <= 0) {
        (void)!write(STDOUT_FILENO, "\n", 1);
        return p->stopped ? CLOISTER_E_CANCELLED : CLOISTER_E_NOT_FOUND;
    }
    if (line[n - 1] == '\n')
        n--;
    *ret = line;
    *ret_n = (size_t)n;
    return 0;
}

static bool begins(const char *line, size_t n)
{
    return n >= strlen(BLOCK) && memcmp(line, BLOCK, strlen(BLOCK)) == 0;
}

static bool ends(const char *line, size_t n)
{
    return n >= strlen(BLOCK) && memcmp(line + n - strlen(BLOCK), BLOCK, strlen(BLOCK)) == 0;
}

int clo_prompt_read(struct clo_prompt *p, struct clo_buf *out)
{
    const size_t start = out->len;
    const char *line = NULL;
    bool block = false;
    size_t n = 0;
    HistEvent ev = {0};
    int err = 0;

    p->more = false;
    p->wait_ms = 0;
    do {
        if ((err = read_line(p, &line, &n)) != 0)
            goto out;
        if (p->more && (err = clo_buf_append(out, "\n", 1)) != 0)
            goto out;
        if (!p->more && begins(line, n)) {
            block = true;
            line += strlen(BLOCK);
            n -= strlen(BLOCK);
        }
        p->more = block ? !ends(line, n) : n > 0 && line[n - 1] == '\\';
        if (block && !p->more)
            n -= strlen(BLOCK);
        else if (!block && p->more)
            n--;
        if ((err = clo_buf_append(out, line, n)) != 0)
            goto out;
    } while (p->more);
    if (out->len > start) { /* libedit wants a string */
        if ((err = clo_buf_append(out, "", 1)) != 0)
            goto out;
        out->len--;
        (void)history(p->history, &ev, H_ENTER, (const char *)out->p + start);
    }
out:
    p->more = false;
    return err;
}
