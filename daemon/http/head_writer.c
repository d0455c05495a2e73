#include "http/head_writer.h"

enum { DIGITS_MAX = 20, YEAR_BASE = 1900, YEAR_MAX = 9999 };

void head_put_number(struct head_writer *writer, uint64_t number) {
    char digits[DIGITS_MAX];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    head_put_bytes(writer, digits + at, sizeof digits - at);
}

static void put_two_digits(char *out, int number) {
    out[0] = (char)('0' + number / 10 % 10);
    out[1] = (char)('0' + number % 10);
}

void head_put_date(struct head_writer *writer, time_t date) {
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char text[] = "Sun, 00 Jan 0000 00:00:00 GMT";
    _Static_assert(sizeof text - 1 == HTTP_DATE_LENGTH, "the form has a fixed length");
    struct tm tm;
    if (gmtime_r(&date, &tm) == NULL || tm.tm_year + YEAR_BASE < 0 || tm.tm_year > YEAR_MAX - YEAR_BASE) {
        return;
    }
    int year = tm.tm_year + YEAR_BASE;
    memcpy(text, days + 3 * (size_t)tm.tm_wday, 3);
    put_two_digits(text + 5, tm.tm_mday);
    memcpy(text + 8, months + 3 * (size_t)tm.tm_mon, 3);
    put_two_digits(text + 12, year / 100);
    put_two_digits(text + 14, year);
    put_two_digits(text + 17, tm.tm_hour);
    put_two_digits(text + 20, tm.tm_min);
    put_two_digits(text + 23, tm.tm_sec);
    head_put_bytes(writer, text, HTTP_DATE_LENGTH);
}
