/* A folder that is watched, what a worker's command is about, and the line that is put into pages. */
#include <errno.h>

#include "dev/files/dev_page.h"
#include "dev/worker/dev_command.h"
#include "dev_watch_fixture.h"

static int set_up(void **state) {
    fixture_set_up(state);
    make("sub");
    make(".git");
    make("node_modules");
    fixture_watch(*state);
    return 0;
}

/* Until a file that is written last has been told of: what came before it has been, too. */
static void settle(struct fixture *fixture) {
    static unsigned number;
    char name[32];
    snprintf(name, sizeof name, "last-%u", ++number);
    write_file(name);
    hear(fixture, name);
    *strstr(fixture->heard, name) = '\0';
}

static void expect(struct fixture *fixture, const char *names) {
    settle(fixture);
    assert_string_equal(fixture->heard + 1, names);
    fixture->heard[1] = '\0';
}

static void changes_are_told_by_name(void **state) {
    struct fixture *fixture = *state;
    write_file("a.html");
    expect(fixture, "a.html ");
    write_file("sub/b.css");
    expect(fixture, "sub/b.css ");
    write_file("new.tmp~");
    assert_int_equal(rename("new.tmp~", "a.html"), 0); /* as editors save */
    expect(fixture, "new.tmp~ a.html ");
    assert_int_equal(unlink("a.html"), 0);
    expect(fixture, "a.html ");
}

/* More at once than the watch has room for: it grows while an event is in hand. */
static void many_new_folders_are_watched(void **state) {
    struct fixture *fixture = *state;
    char name[16];
    for (unsigned i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "%u", i);
        make(name);
    }
    settle(fixture);
    assert_non_null(strstr(fixture->heard, "199 "));
    fixture->heard[1] = '\0';
    write_file("199/a.html");
    expect(fixture, "199/a.html ");
}

static void what_is_left_out_is_not_told(void **state) {
    struct fixture *fixture = *state;
    write_file(".env");
    write_file(".git/index");
    write_file("node_modules/x.js");
    make("__pycache__");
    write_file("__pycache__/x.pyc");
    expect(fixture, "");
}

static void folders_that_come_and_go_are_followed(void **state) {
    struct fixture *fixture = *state;
    const size_t before = dev_watch_count(fixture->watch);
    make("x");
    make("x/y");
    expect(fixture, "x ");
    assert_int_equal(dev_watch_count(fixture->watch), before + 2);
    write_file("x/y/deep.js");
    expect(fixture, "x/y/deep.js ");
    assert_int_equal(rename("x/y", "sub/y"), 0);
    settle(fixture);
    fixture->heard[1] = '\0';
    write_file("sub/y/deep.js");
    expect(fixture, "sub/y/deep.js ");
    assert_int_equal(unlink("sub/y/deep.js"), 0);
    assert_int_equal(rmdir("sub/y"), 0);
    assert_int_equal(rmdir("x"), 0);
    settle(fixture);
    assert_int_equal(dev_watch_count(fixture->watch), before);
}

static void links_are_not_followed(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(symlink("/tmp", "out"), 0);
    expect(fixture, "out ");
    assert_int_equal(dev_watch_count(fixture->watch), 2);
}

/* -- commands -- */

static void check_command(char **argv, const char *name, const char *folder, const char *ending) {
    struct dev_command command;
    dev_command_read(argv, &command);
    assert_string_equal(command.name, name);
    assert_string_equal(command.folder, folder);
    assert_string_equal(command.ending, ending);
}

static void commands(void **state) {
    (void)state;
    write_file("worker.py");
    write_file("sub/tool.mjs");
    write_file("sub/program");
    check_command((char *[]){"python", "worker.py", NULL}, "worker.py", ".", ".py");
    check_command((char *[]){"node", "--inspect", "sub/tool.mjs", "worker.py", NULL}, "tool.mjs", "sub/",
                  ".mjs");
    check_command((char *[]){"python", "-m", "worker", NULL}, "python", ".", ".py");
    check_command((char *[]){"python", "-m", "pdb", "worker.py", NULL}, "python", ".", ".py");
    check_command((char *[]){"sub/program", "--fast", NULL}, "program", "sub/", "");
    check_command((char *[]){"python", "not-there.py", NULL}, "python", ".", ".py");
    check_command((char *[]){"\x1b[2J", NULL}, "?[2J", ".", ".py");
    struct dev_command command;
    dev_command_read((char *[]){"python", "worker.py", NULL}, &command);
    assert_true(dev_command_concerns(&command, "deep/other.py"));
    assert_true(dev_command_concerns(&command, ""));
    assert_false(dev_command_concerns(&command, "page.html"));
    assert_false(dev_command_concerns(&command, ".py"));
    dev_command_read((char *[]){"sub/program", NULL}, &command);
    assert_true(dev_command_concerns(&command, "program"));
    assert_false(dev_command_concerns(&command, "other"));
    assert_false(dev_command_concerns(&command, "deep/program"));
}

/* -- pages -- */

static void the_line_goes_where_the_content_begins(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"<!doctype html><title>x</title>", "<!doctype html>|<title>x</title>"},
        {"<!DOCTYPE html>\n<html lang=\"en\">\n<HEAD\tid='>'>\n<meta>",
         "<!DOCTYPE html>\n<html lang=\"en\">\n<HEAD\tid='>'>\n|<meta>"},
        {"<!-- <head> -->\r\n<!doctype html><!---->x", "<!-- <head> -->\r\n<!doctype html><!---->|x"},
        {"<!--><!doctype html>x<!-- -->",
         "<!--><!doctype html>|x<!-- -->"}, /* these two are whole comments */
        {"<!---><!doctype html>x<!-- -->", "<!---><!doctype html>|x<!-- -->"},
        {"<?xml version='1.0'?>\n<!doctype html>x", "<?xml version='1.0'?>\n<!doctype html>|x"},
        {"<!what is this><!doctype html>x", "<!what is this><!doctype html>|x"},
        {"\xef\xbb\xbf<html><body>", "\xef\xbb\xbf<html>|<body>"},
        {"<header>x</header>", "|<header>x</header>"},
        {"<html><!-- no end", "<html>|<!-- no end"},
        {"<html lang=\"no end>", "|<html lang=\"no end>"},
        {"<head", "|<head"},
        {"text", "|text"},
        {"", "|"},
        {"\xff\xfe<\x01", "\xff\xfe<\x01"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t length = strlen(cases[i][0]);
        const int fd = open("page", O_RDWR | O_CREAT | O_TRUNC, 0600);
        assert_int_equal(write(fd, cases[i][0], length), length);
        char *text = NULL;
        size_t made = 0;
        assert_int_equal(dev_page_read(fd, length, "|", &text, &made), 0);
        assert_int_equal(made, strlen(cases[i][1]));
        assert_memory_equal(text, cases[i][1], made);
        free(text);
        assert_int_equal(dev_page_read(fd, length + 1, "|", &text, &made), -EAGAIN);
        close(fd);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(changes_are_told_by_name, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(many_new_folders_are_watched, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(what_is_left_out_is_not_told, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(folders_that_come_and_go_are_followed, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(links_are_not_followed, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(commands, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(the_line_goes_where_the_content_begins, set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
