#include "csv.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <strings.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/fs.h"
#include "base/names.h"

enum { BUFFER = 128 * 1024, END = -1, MAX_RECORD = 64 << 20 };

struct pp__csv {
    char *path;
    gzFile stream; /* zlib reads plain files as they are */
    int64_t bytes; /* of the file */
    char separator;
    const pp__csv_lines *skip; /* NULL: none */
    int one_line;              /* records that run over several lines are refused */
    int64_t line;
    unsigned char *buffer; /* [BUFFER], of which [at, filled) is unread */
    size_t at, filled;
    char *text; /* cells of the record one after another, each ended by a NUL */
    size_t text_used, text_size;
    size_t *starts; /* of cells within text */
    const char **cells;
    size_t n_cells, cells_size;
    pp_status status; /* the first failure, with its text in `error` */
    pp_error error;
};

/* ---- bytes ---- */

static void fill(pp__csv *csv)
{
    int got = gzread(csv->stream, csv->buffer, BUFFER), code = Z_OK;
    csv->at = 0;
    csv->filled = got < 0 ? 0 : (size_t)got;
    gzerror(csv->stream, &code); /* a gzip stream that is cut short: Z_BUF_ERROR, and got >= 0 */
    if (got < 0 || (got == 0 && code != Z_OK && code != Z_STREAM_END))
        csv->status = pp_fail(&csv->error, PP_E_IO, "%s: line %lld: cannot read on: %s", csv->path,
                              (long long)csv->line, gzerror(csv->stream, &code));
}

static int peek(pp__csv *csv)
{
    if (csv->at == csv->filled) fill(csv);
    return csv->at == csv->filled ? END : csv->buffer[csv->at];
}

static int next_byte(pp__csv *csv)
{
    int c = peek(csv);
    if (c != END) csv->at++;
    return c;
}

static int at_line_end(int c)
{
    return c == '\n' || c == '\r' || c == END;
}

static void skip_line_end(pp__csv *csv, int c)
{
    if (c == '\r' && peek(csv) == '\n') csv->at++;
    csv->line++;
}

static void skip_line(pp__csv *csv)
{
    int c;
    do
        c = next_byte(csv);
    while (!at_line_end(c));
    if (c != END) skip_line_end(csv, c);
}

/* ---- cells ---- */

static void out_of_memory(pp__csv *csv)
{
    csv->status = pp_fail(&csv->error, PP_E_MEMORY, "%s: line %lld: out of memory", csv->path,
                          (long long)csv->line);
}

static void fail_line(pp__csv *csv, int64_t line, const char *what)
{
    if (csv->status != PP_OK) return;
    csv->status =
        pp_fail(&csv->error, PP_E_DATA, "%s: line %lld: %s", csv->path, (long long)line, what);
}

static void put_byte(pp__csv *csv, int c)
{
    if (csv->text_used == csv->text_size) {
        size_t size = csv->text_size == 0 ? 4096 : 2 * csv->text_size;
        if (size > MAX_RECORD) {
            fail_line(csv, csv->line, "is longer than 32 MiB; is this a csv file?");
            return;
        }
        char *larger = realloc(csv->text, size);
        if (larger == NULL) {
            out_of_memory(csv);
            return;
        }
        csv->text = larger;
        csv->text_size = size;
    }
    csv->text[csv->text_used++] = (char)c;
}

static void put(pp__csv *csv, int c)
{
    if (c == '\0')
        fail_line(csv, csv->line,
                  "holds a zero byte; is this text in UTF-8? of UTF-16: iconv -f UTF-16 -t UTF-8");
    put_byte(csv, c);
}

static void begin_cell(pp__csv *csv)
{
    if (csv->n_cells == csv->cells_size) {
        size_t size = csv->cells_size == 0 ? 64 : 2 * csv->cells_size;
        size_t *starts = realloc(csv->starts, size * sizeof *starts);
        if (starts != NULL) csv->starts = starts;
        const char **cells = realloc(csv->cells, size * sizeof *cells);
        if (cells != NULL) csv->cells = cells;
        if (starts == NULL || cells == NULL) {
            out_of_memory(csv);
            return;
        }
        csv->cells_size = size;
    }
    csv->starts[csv->n_cells++] = csv->text_used;
}

/* Blanks, and those that do not break, at both ends of the cell that was read last. */
static void trim_cell(pp__csv *csv)
{
    size_t *start = &csv->starts[csv->n_cells - 1], end = csv->text_used;
    for (;;) {
        const char *text = csv->text + *start;
        size_t length = end - *start;
        if (length > 0 && strchr(" \t\r\n", *text) != NULL)
            *start += 1;
        else if (length > 1 && memcmp(text, "\xc2\xa0", 2) == 0)
            *start += 2;
        else if (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL)
            end -= 1;
        else if (length > 1 && memcmp(text + length - 2, "\xc2\xa0", 2) == 0)
            end -= 2;
        else
            break;
    }
    csv->text_used = end;
}

/* With tabs as separators a tab is no blank. */
static int is_blank(const pp__csv *csv, int c)
{
    return (c == ' ' || c == '\t') && c != csv->separator;
}

static void skip_blanks(pp__csv *csv)
{
    while (is_blank(csv, peek(csv)))
        csv->at++;
}

/* After the opening quote; a quote within is doubled. */
static void read_quoted(pp__csv *csv)
{
    int64_t begun = csv->line;
    while (csv->status == PP_OK) {
        int c = next_byte(csv);
        if (c == END) {
            fail_line(csv, begun, "a quoted cell is never closed");
            return;
        }
        if (c == '"' && peek(csv) != '"') break;
        if (c == '"') csv->at++;
        if (c == '\n' || c == '\r') {
            if (csv->one_line)
                fail_line(csv, begun, "a cell holds a line break; expected one line a row");
            csv->line += c == '\n' || peek(csv) != '\n';
        }
        put(csv, c);
    }
    skip_blanks(csv);
    if (!at_line_end(peek(csv)) && peek(csv) != csv->separator)
        fail_line(csv, csv->line, "text follows a closing quote");
}

static void read_plain(pp__csv *csv)
{
    size_t start = csv->text_used;
    while (csv->status == PP_OK && !at_line_end(peek(csv)) && peek(csv) != csv->separator) {
        put(csv, next_byte(csv));
    }
    while (csv->text_used > start && is_blank(csv, csv->text[csv->text_used - 1]))
        csv->text_used--;
}

static void read_cell(pp__csv *csv)
{
    begin_cell(csv);
    if (csv->status != PP_OK) return;
    skip_blanks(csv);
    if (peek(csv) == '"') {
        csv->at++;
        read_quoted(csv);
    } else {
        read_plain(csv);
    }
    trim_cell(csv);
    put_byte(csv, '\0');
}

/* 0: the line was blank, or the end was reached. */
static int read_record(pp__csv *csv)
{
    csv->n_cells = csv->text_used = 0;
    skip_blanks(csv);
    if (at_line_end(peek(csv))) {
        int c = next_byte(csv);
        if (c != END) skip_line_end(csv, c);
        return 0;
    }
    for (;;) {
        read_cell(csv);
        if (csv->status != PP_OK) return 0;
        int c = next_byte(csv);
        if (c == csv->separator) continue;
        skip_line_end(csv, c);
        return 1;
    }
}

/* ---- what a cell holds ---- */

int pp__csv_is_missing(const char *cell)
{
    static const char *const marks[] = {"", "na", "n/a", "nan", "null", "?"};
    if (*cell >= '0' && *cell <= '9') return 0; /* nearly all cells */
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (strcasecmp(cell, marks[i]) == 0) return 1;
    return 0;
}

int pp__csv_number(const char *cell, double *value)
{
    char *end;
    if (*cell == '\0' || strpbrk(cell, "xXnN") != NULL) return 0;
    *value = strtod(cell, &end);
    return *end == '\0' && isfinite(*value);
}

void pp__csv_show(const char *cell, char shown[PP__CSV_SHOWN + 1])
{
    pp_name_copy(cell, shown, PP__CSV_SHOWN + 1);
    if (pp__csv_is_utf8(shown)) return;
    for (; *shown != '\0'; shown++)
        if ((unsigned char)*shown >= 0x80) *shown = '?';
}

/* Bytes behind the first one of a character; -1: it is none. */
static int followers(unsigned char c)
{
    return c < 0x80 ? 0 : c < 0xc2 ? -1 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : c < 0xf5 ? 3 : -1;
}

int pp__csv_is_utf8(const char *text)
{
    while (*text != '\0') {
        int more = followers((unsigned char)*text++);
        if (more < 0) return 0;
        for (; more > 0; more--)
            if (((unsigned char)*text++ & 0xc0) != 0x80) return 0;
    }
    return 1;
}

/* Header names are no numbers, and a first row of data has at least one number. */
int pp__csv_is_header(const pp__csv_record *first)
{
    double ignored;
    for (int i = 0; i < first->n_cells; i++)
        if (pp__csv_number(first->cells[i], &ignored)) return 0;
    return 1;
}

/* ---- the file ---- */

static pp_status report(const pp__csv *csv, pp_error *err)
{
    if (err != NULL) *err = csv->error;
    return csv->status;
}

static int is_skipped(const pp__csv_lines *skip, int64_t line)
{
    for (int i = 0; skip != NULL && i < skip->n; i++)
        if (line >= skip->first[i] && line <= skip->last[i]) return 1;
    return 0;
}

pp_status pp__csv_next(pp__csv *csv, pp__csv_record *record, pp_error *err)
{
    int found = 0;
    int64_t line = csv->line;
    while (!found && csv->status == PP_OK && peek(csv) != END) {
        line = csv->line;
        if (is_skipped(csv->skip, line)) {
            skip_line(csv);
            continue;
        }
        found = read_record(csv);
    }
    if (csv->status != PP_OK) return report(csv, err);
    for (size_t i = 0; i < csv->n_cells; i++)
        csv->cells[i] = csv->text + csv->starts[i];
    *record = (pp__csv_record){line, csv->line - line, found ? (int)csv->n_cells : 0, csv->cells};
    return PP_OK;
}

/* ---- parts of a file ---- */

void pp__csv_want_lines(pp__csv *csv)
{
    csv->one_line = 1;
}

double pp__csv_share(const pp__csv *csv)
{
    return csv->bytes > 0 ? (double)gzoffset(csv->stream) / (double)csv->bytes : 0;
}

int pp__csv_is_gzip(const pp__csv *csv)
{
    return !gzdirect(csv->stream);
}

pp__csv_place pp__csv_tell(const pp__csv *csv)
{
    return (pp__csv_place){(int64_t)gztell(csv->stream) - (int64_t)(csv->filled - csv->at),
                           csv->line};
}

pp_status pp__csv_seek(pp__csv *csv, const pp__csv_place *place, pp_error *err)
{
    csv->at = csv->filled = 0;
    csv->line = place->line;
    if (gzseek(csv->stream, (z_off_t)place->offset, SEEK_SET) >= 0) return PP_OK;
    return pp_fail(err, PP_E_IO, "%s: line %lld: cannot go there", csv->path,
                   (long long)place->line);
}

pp_status pp__csv_count(pp__csv *csv, int64_t data, int64_t begin, int64_t end, pp__csv_part *part,
                        pp_error *err)
{
    pp__csv_place before = {begin > data ? begin - 1 : data, 1};
    pp_status status = pp__csv_seek(csv, &before, err);
    if (status != PP_OK) return status;
    if (begin > data) skip_line(csv); /* of which begin - 1 is a byte */
    csv->line = 0;
    int64_t at = pp__csv_tell(csv).offset;
    *part = (pp__csv_part){at, 0, 0};
    while (at < end && csv->status == PP_OK && peek(csv) != END) {
        skip_blanks(csv);
        part->rows += !at_line_end(peek(csv));
        skip_line(csv);
        at = pp__csv_tell(csv).offset;
    }
    part->lines = csv->line;
    return report(csv, err);
}

static pp_status take_byte_order_mark(pp__csv *csv, pp_error *err)
{
    static const unsigned char mark[] = {0xef, 0xbb, 0xbf},
                               wide[2][2] = {{0xff, 0xfe}, {0xfe, 0xff}};
    peek(csv);
    for (int i = 0; i < 2 && csv->filled >= 2; i++)
        if (memcmp(csv->buffer, wide[i], 2) == 0)
            return pp_fail(err, PP_E_DATA,
                           "%s: is text in UTF-16; convert it: iconv -f UTF-16 -t UTF-8 IN > OUT",
                           csv->path);
    if (csv->filled >= sizeof mark && memcmp(csv->buffer, mark, sizeof mark) == 0)
        csv->at = sizeof mark;
    return PP_OK;
}

pp_status pp__csv_open(const char *path, char separator, pp__csv **csv, pp_error *err)
{
    if (pp_fs_is_directory(path))
        return pp_fail(err, PP_E_IO, "%s: is a directory; expected a csv file", path);
    pp__csv *c = calloc(1, sizeof *c);
    if (c == NULL) return pp_fail(err, PP_E_MEMORY, "%s: out of memory", path);
    c->path = strdup(path);
    c->buffer = malloc(BUFFER);
    c->separator = separator;
    c->line = 1;
    errno = 0;
    if (c->path != NULL && c->buffer != NULL) c->stream = gzopen(path, "rb");
    if (c->stream == NULL) {
        pp__csv_close(c);
        return pp_fail(err, PP_E_IO, "%s: cannot open: %s", path,
                       errno == 0 ? "out of memory" : strerror(errno));
    }
    gzbuffer(c->stream, BUFFER);
    struct stat info;
    c->bytes = stat(path, &info) == 0 ? (int64_t)info.st_size : 0;
    pp_status status = take_byte_order_mark(c, err);
    if (status == PP_OK)
        *csv = c;
    else
        pp__csv_close(c);
    return status;
}

void pp__csv_close(pp__csv *csv)
{
    if (csv == NULL) return;
    int error = errno; /* what made opening fail */
    if (csv->stream != NULL) gzclose_r(csv->stream);
    free(csv->path);
    free(csv->buffer);
    free(csv->text);
    free(csv->starts);
    free(csv->cells);
    free(csv);
    errno = error;
}

pp_status pp__csv_guess_separator(const char *path, const pp__csv_lines *skip, char *separator,
                                  pp_error *err)
{
    static const char known[] = ",;\t|";
    int counts[4] = {0}, best = 0, in_quotes = 0;
    pp__csv *csv;
    pp_status status = pp__csv_open(path, '\0', &csv, err);
    if (status != PP_OK) return status;
    while (peek(csv) != END && (is_skipped(skip, csv->line) || at_line_end(peek(csv))))
        skip_line(csv);
    for (int c; (c = next_byte(csv)) != END && (in_quotes || !at_line_end(c));) {
        if (c == '"') in_quotes = !in_quotes;
        const char *hit = c == '\0' || in_quotes ? NULL : strchr(known, c);
        if (hit != NULL) counts[hit - known]++;
    }
    status = report(csv, err);
    pp__csv_close(csv);
    if (status != PP_OK) return status;
    for (int i = 1; i < 4; i++)
        if (counts[i] > counts[best]) best = i;
    if (counts[best] == 0)
        return pp_fail(
            err, PP_E_DATA,
            "%s: no comma, semicolon, tab or bar in its first line; expected two columns "
            "or more; lines that are no part of the table: --skip 1-4",
            path);
    *separator = known[best];
    return PP_OK;
}

/* ---- lines to pass over ---- */

void pp__csv_skip(pp__csv *csv, const pp__csv_lines *lines)
{
    csv->skip = lines;
}

pp_status pp__csv_parse_lines(const char *text, pp__csv_lines *lines, pp_error *err)
{
    lines->n = 0;
    for (const char *at = text; at != NULL && *at != '\0';) {
        char *end;
        long long first = strtoll(at, &end, 10), last = first;
        if (end != at && *end == '-') {
            at = end + 1;
            last = strtoll(at, &end, 10);
        }
        if (end == at || first < 1 || last < first || (*end != ',' && *end != '\0') ||
            lines->n == PP__CSV_RANGES)
            return pp_fail(err, PP_E_ARG,
                           "--skip %s: wants lines from 1, such as 1-4,9 (at most %d)", text,
                           PP__CSV_RANGES);
        lines->first[lines->n] = first;
        lines->last[lines->n++] = last;
        at = end + (*end == ',');
    }
    return PP_OK;
}
