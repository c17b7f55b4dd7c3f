/* A media manager for tests: SBT 2.0 over files of a folder, that fails wherever it is asked to.
 *
 *   FAKE_FOLDER   where its backup files are
 *   FAKE_FAIL     CALL=CODE: that function fails with that error, after FAKE_AFTER good calls
 *   FAKE_DIE      CALL=crash|exit|hang: what that function does instead of returning
 *   FAKE_API      version of the interface, hexadecimal; FAKE_TABLE=no leaves the table out
 *   FAKE_CONTEXT  size of the context
 *   FAKE_READ     short: ends after two blocks; flip: turns a bit; fault: error 7501 after two
 *   FAKE_LOST     what was stored is not known afterwards
 *   FAKE_LOG      a file that gets the name of each call
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct pair { unsigned long tag; void *value; };
struct os_error { int code; int number; };

struct context {
    FILE *file;
    size_t block;
    int reading;
    unsigned long blocks;
    unsigned long code;
    char text[128];
    char path[1024];
    struct pair info[4];
};

enum { ERROR = 7501, NOT_FOUND = 7502, EXISTS = 7503, END_OF_FILE = 7504 };

static const char *set_to(const char *name, const char *call)
{
    const char *value = getenv(name);
    size_t length = strlen(call);
    if (value && !strncmp(value, call, length) && value[length] == '=')
        return value + length + 1;
    return NULL;
}

static int fail(struct context *c, unsigned long code, const char *text)
{
    c->code = code;
    snprintf(c->text, sizeof c->text, "%s", text);
    return -1;
}

/* What every call does first: 0 if it shall work. */
static int begin(struct context *c, const char *call)
{
    static int good;
    const char *how = getenv("FAKE_LOG");
    if (how) {
        FILE *log = fopen(how, "a");
        fprintf(log, "%s\n", call);
        fclose(log);
    }
    how = set_to("FAKE_DIE", call);
    if (how && !strcmp(how, "crash"))
        raise(SIGSEGV);
    if (how && !strcmp(how, "exit"))
        exit(0);
    while (how && !strcmp(how, "hang"))
        pause();
    how = set_to("FAKE_FAIL", call);
    if (how && good++ >= atoi(getenv("FAKE_AFTER") ? getenv("FAKE_AFTER") : "0"))
        return fail(c, strtoul(how, NULL, 10), "no tape for you");
    return 0;
}

static const char *path_of(struct context *c, const char *name)
{
    snprintf(c->path, sizeof c->path, "%s/%s", getenv("FAKE_FOLDER"), name);
    return c->path;
}

static int there(struct context *c, const char *name)
{
    struct stat found;
    return !stat(path_of(c, name), &found);
}

static int sbtinit2(struct context *c, unsigned long flags, struct pair *in, struct pair **out)
{
    static struct pair none[] = {{9999, NULL}};
    *out = none;
    /* The context must come zero-filled, and the client must say which version it speaks. */
    if (c->file || c->code || in[1].tag != 2 || *(unsigned long *)in[1].value != 0x0200)
        return fail(c, ERROR, "wrong begin");
    return begin(c, "init2");
}

static int sbtbackup(struct context *c, unsigned long flags, char *name, struct pair *objects,
                     size_t block, size_t most, unsigned copy, unsigned pool)
{
    if (begin(c, "backup"))
        return -1;
    if (objects[0].tag != 2 || strlen(objects[0].value) > 8 || most || copy != 1 || pool)
        return fail(c, ERROR, "wrong objects");
    if (there(c, name))
        return fail(c, EXISTS, "it exists");
    c->file = fopen(c->path, "w");
    c->block = block;
    return c->file ? 0 : fail(c, ERROR, "cannot create");
}

static int sbtwrite2(struct context *c, unsigned long flags, void *block)
{
    if (begin(c, "write2"))
        return -1;
    return fwrite(block, c->block, 1, c->file) == 1 ? 0 : fail(c, ERROR, "cannot write");
}

/* As the libraries that are known do: what was aborted stays. */
static int sbtclose2(struct context *c, unsigned long flags)
{
    if (begin(c, flags & 1 ? "abort" : "close2"))
        return -1;
    if (c->file)
        fclose(c->file);
    c->file = NULL;
    if (!c->reading && getenv("FAKE_LOST"))
        unlink(c->path);
    return 0;
}

static int sbtrestore(struct context *c, unsigned long flags, char *name, size_t block)
{
    if (begin(c, "restore"))
        return -1;
    c->file = fopen(path_of(c, name), "r");
    c->block = block;
    c->reading = 1;
    return c->file ? 0 : fail(c, NOT_FOUND, "not found");
}

static int sbtread2(struct context *c, unsigned long flags, void *block)
{
    const char *how = getenv("FAKE_READ");
    if (begin(c, "read2"))
        return -1;
    if (how && c->blocks++ >= 2) {
        if (!strcmp(how, "short"))
            return fail(c, END_OF_FILE, "end of file");
        if (!strcmp(how, "fault"))
            return fail(c, ERROR, "the tape is torn");
    }
    if (fread(block, 1, c->block, c->file) != c->block)
        return fail(c, END_OF_FILE, "end of file");
    if (how && !strcmp(how, "flip") && c->blocks == 2)
        ((char *)block)[100] ^= 1;
    return 0;
}

static int sbtinfo2(struct context *c, unsigned long flags, char **names, struct pair **out)
{
    if (begin(c, "info2"))
        return -1;
    c->info[0] = (struct pair){1, names[0]};
    /* Some libraries say it so, others by error 7502. */
    c->info[1] = (struct pair){there(c, names[0]) ? 9 : 8, "comment"};
    c->info[2] = (struct pair){9999, NULL};
    *out = c->info;
    return 0;
}

static int sbtremove2(struct context *c, unsigned long flags, char **names)
{
    if (begin(c, "remove2"))
        return -1;
    return unlink(path_of(c, names[0])) ? fail(c, NOT_FOUND, "not found") : 0;
}

static int sbtcommand(struct context *c, unsigned long flags, char *text)
{
    if (begin(c, text))
        return -1;
    return strcmp(text, "ENV=(POLICY=offsite)") ? fail(c, ERROR, "unknown command") : 0;
}

static int sbterror(struct context *c, unsigned long flags, unsigned long *code, char **native,
                    char **utf8)
{
    *code = c->code;
    *native = *utf8 = c->text;
    return 0;
}

static int sbtend(struct context *c, unsigned long flags)
{
    return begin(c, "end");
}

int sbtinit(struct os_error *error, struct pair *in, struct pair **out)
{
    static void *table[21] = {
        sbtbackup, sbtclose2, sbtcommand, sbtend, sbterror, sbtinfo2, sbtinit2, sbtread2,
        sbtremove2, sbtrestore, sbtwrite2,
    };
    static struct pair said[6];
    static struct context none;
    const char *api = getenv("FAKE_API"), *size = getenv("FAKE_CONTEXT");
    puts("a library that prints");
    fflush(stdout);
    if (begin(&none, "init")) {
        error->code = (int)none.code;
        return -1;
    }
    said[0] = (struct pair){4, (void *)(api ? strtoul(api, NULL, 16) : 0x0200)};
    said[1] = (struct pair){5, "Fake Media Manager"};
    said[2] = (struct pair){6, getenv("FAKE_TABLE") ? NULL : (void *)table};
    said[3] = (struct pair){7, (void *)(size ? strtoul(size, NULL, 10) : sizeof none)};
    said[4] = (struct pair){8, (void *)0x01020304ul};
    said[5] = (struct pair){1, NULL};
    *out = said;
    return 0;
}
