/* Which file a worker's command is about. The commonest ones are in test_dev_files.c. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/worker/dev_command.h"
#include "scratch_folder.h"

static char folder[SCRATCH_FOLDER_MAX];

static void write_file(const char *name) {
    const int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0700);
    assert_true(fd >= 0);
    close(fd);
}

static int set_up(void **state) {
    static const char *const folders[] = {"sub",     ".venv",        ".venv/bin",        "env",
                                          "env/bin", "node_modules", "node_modules/.bin"};
    static const char *const files[] = {"launch",
                                        "conf.json",
                                        "worker.py",
                                        "server.ts",
                                        ".env",
                                        "prod.env",
                                        "requirements.txt",
                                        "sub/tool",
                                        ".venv/pyvenv.cfg",
                                        ".venv/bin/python",
                                        ".venv/bin/uvicorn",
                                        "env/pyvenv.cfg",
                                        "env/bin/python",
                                        "env/bin/uvicorn",
                                        "node_modules/.bin/tsx"};
    (void)state;
    scratch_folder_make(folder);
    assert_int_equal(chdir(folder), 0);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        assert_int_equal(mkdir(folders[i], 0700), 0);
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        write_file(files[i]);
    }
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    assert_int_equal(chdir("/"), 0);
    return scratch_folder_remove(folder);
}

/* `file` empty: none, Python files of the current folder. */
static void check(char **argv, const char *where, const char *file) {
    struct dev_command command;
    dev_command_read(argv, &command);
    assert_string_equal(command.file, file);
    assert_string_equal(command.folder, where);
}

#define COMMAND(...) ((char *[]){__VA_ARGS__, NULL})

static void a_program_of_the_project_is_what_it_is_about(void **state) {
    (void)state;
    char absolute[SCRATCH_FOLDER_MAX + 8];
    char above[SCRATCH_FOLDER_MAX + 8];
    snprintf(absolute, sizeof absolute, "%s/launch", folder);
    snprintf(above, sizeof above, "%s/", folder);
    check(COMMAND("./launch", "--config", "conf.json"), "./", "launch");
    check(COMMAND("sub/tool", "worker.py"), "sub/", "tool");
    check(COMMAND(absolute, "conf.json"), above, "launch");
    check(COMMAND("./worker.py", "-m", "x"), "./", "worker.py");
    assert_int_equal(chdir("sub"), 0);
    check(COMMAND("../launch", "tool"), "../", "launch");
    assert_int_equal(chdir(".."), 0);
}

static void an_interpreter_is_not(void **state) {
    (void)state;
    check(COMMAND(".venv/bin/python", "worker.py"), ".", "worker.py");
    check(COMMAND("env/bin/python", "worker.py"), ".", "worker.py");
    check(COMMAND("/bin/sh", "launch"), ".", "launch");
    check(COMMAND("node_modules/.bin/tsx", "server.ts"), ".", "server.ts");
}

static void nor_is_a_program_of_an_environment(void **state) {
    (void)state;
    check(COMMAND(".venv/bin/uvicorn", "main:app"), ".", "");
    check(COMMAND("env/bin/uvicorn", "main:app"), ".", "");
}

static void scripts_go_before_other_files(void **state) {
    (void)state;
    check(COMMAND("uv", "run", "--with-requirements", "requirements.txt", "worker.py"), ".", "worker.py");
    check(COMMAND("node", "--env-file", "prod.env", "server.ts"), ".", "server.ts");
    check(COMMAND("env", "A=1", "./launch", "conf.json"), "./", "launch");
    check(COMMAND("serve", "conf.json"), ".", "conf.json");
}

static void files_that_begin_with_a_dot_are_passed_over(void **state) {
    (void)state;
    check(COMMAND("uv", "run", "--env-file", ".env", "worker.py"), ".", "worker.py");
    check(COMMAND("serve", ".env"), ".", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_of_the_project_is_what_it_is_about),
        cmocka_unit_test(an_interpreter_is_not),
        cmocka_unit_test(nor_is_a_program_of_an_environment),
        cmocka_unit_test(scripts_go_before_other_files),
        cmocka_unit_test(files_that_begin_with_a_dot_are_passed_over),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
