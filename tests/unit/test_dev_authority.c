/* The authority for development: what it makes, who may read it, what it may speak for, when it makes it anew. */
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/trust/dev_authority.h"
#include "scratch_folder.h"

enum { PROCESSES = 8 };

static const time_t NOW = 1800000000;
static const time_t DAY = 86400;
static char folder[SCRATCH_FOLDER_MAX];

static struct dev_certificate_names names_of(const char *const *list, size_t count) {
    return (struct dev_certificate_names){list, count};
}

static int set_up(void **state) {
    (void)state;
    scratch_folder_make(folder);
    return setenv("XDG_DATA_HOME", folder, 1);
}

static int tear_down(void **state) {
    (void)state;
    return scratch_folder_remove(folder);
}

/* Of that time, for those names; it has to succeed. */
static struct dev_leaf leaf_at(time_t now, struct dev_certificate_names names) {
    struct dev_leaf leaf;
    char error[DEV_AUTHORITY_ERROR_MAX] = "";
    if (dev_authority_leaf(names, now, &leaf, error) < 0) {
        fail_msg("%s", error);
    }
    return leaf;
}

static X509 *read_file(const char *path) {
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    X509 *read = PEM_read_X509(file, NULL, NULL, NULL);
    assert_non_null(read);
    fclose(file);
    return read;
}

static mode_t mode_of(const char *path) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return info.st_mode & 0777;
}

/* As a browser would that believes the authority: X509_V_OK, or why not. */
static int verify(const struct dev_leaf *files, const char *host, const char *address, time_t now) {
    X509 *authority = read_file(files->authority);
    X509 *leaf = read_file(files->cert);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    assert_int_equal(X509_STORE_add_cert(store, authority), 1);
    assert_int_equal(X509_STORE_CTX_init(context, store, leaf, NULL), 1);
    X509_VERIFY_PARAM *wish = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_time(wish, now);
    X509_VERIFY_PARAM_set_purpose(wish, X509_PURPOSE_SSL_SERVER);
    X509_VERIFY_PARAM_set_flags(wish, X509_V_FLAG_X509_STRICT);
    assert_int_equal(host == NULL || X509_VERIFY_PARAM_set1_host(wish, host, 0) == 1, 1);
    assert_int_equal(address == NULL || X509_VERIFY_PARAM_set1_ip_asc(wish, address) == 1, 1);
    (void)X509_verify_cert(context);
    const int result = X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    X509_free(leaf);
    X509_free(authority);
    return result;
}

static void it_is_believed_for_its_names_alone(void **state) {
    (void)state;
    static const char *const list[] = {"box", "box.local", "192.168.1.7", "fd00::7"};
    const struct dev_leaf leaf = leaf_at(NOW, names_of(list, 4));
    assert_true(leaf.is_new_authority);
    static const char *const hosts[] = {"localhost", "box", "box.local"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(verify(&leaf, hosts[i], NULL, NOW), X509_V_OK);
    }
    static const char *const addresses[] = {"127.0.0.1", "::1", "192.168.1.7", "fd00::7"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(verify(&leaf, NULL, addresses[i], NOW), X509_V_OK);
    }
    assert_int_equal(verify(&leaf, "example.com", NULL, NOW), X509_V_ERR_HOSTNAME_MISMATCH);
    assert_int_equal(verify(&leaf, NULL, "127.0.0.2", NOW), X509_V_ERR_IP_ADDRESS_MISMATCH);
}

static void files_are_for_this_user_alone(void **state) {
    (void)state;
    umask(0);
    const struct dev_leaf leaf = leaf_at(NOW, names_of(NULL, 0));
    umask(022);
    char key[PATH_MAX + 16];
    snprintf(key, sizeof key, "%s/ca-key.pem", leaf.folder);
    assert_int_equal(mode_of(leaf.folder), 0700);
    assert_int_equal(mode_of(key), 0600);
    assert_int_equal(mode_of(leaf.key), 0600);
    assert_int_equal(chmod(key, 0644), 0);
    struct dev_leaf again;
    char error[DEV_AUTHORITY_ERROR_MAX] = "";
    assert_true(dev_authority_leaf(names_of(NULL, 0), NOW, &again, error) < 0);
    assert_non_null(strstr(error, "ca-key.pem"));
    assert_non_null(strstr(error, "chmod 600"));
}

static bool is_same(const struct dev_leaf *leaf, X509 *before) {
    X509 *now = read_file(leaf->cert);
    const bool same = X509_cmp(now, before) == 0;
    X509_free(now);
    return same;
}

static void it_is_made_anew_when_it_has_to_be(void **state) {
    (void)state;
    static const char *const list[] = {"box", "10.0.0.1"};
    struct dev_leaf leaf = leaf_at(NOW, names_of(list, 1));
    X509 *first = read_file(leaf.cert);
    leaf = leaf_at(NOW + DAY, names_of(list, 1));
    assert_false(leaf.is_new_authority);
    assert_true(is_same(&leaf, first));
    leaf = leaf_at(NOW + (DEV_LEAF_DAYS - DEV_LEAF_REST_DAYS + 1) * DAY, names_of(list, 1));
    assert_false(is_same(&leaf, first)); /* near its end */
    X509_free(first);
    X509 *second = read_file(leaf.cert);
    leaf = leaf_at(NOW + 80 * DAY, names_of(list, 2));
    assert_false(is_same(&leaf, second)); /* a name more */
    assert_int_equal(verify(&leaf, NULL, "10.0.0.1", NOW + 80 * DAY), X509_V_OK);
    X509_free(second);
    X509 *third = read_file(leaf.cert);
    assert_int_equal(unlink(leaf.key), 0);
    leaf = leaf_at(NOW + 80 * DAY, names_of(list, 2));
    assert_false(is_same(&leaf, third)); /* its key was lost */
    X509_free(third);
}

/* The authority's key, stolen: certificates of it for others' names are believed by nobody. */
static void a_stolen_key_speaks_for_no_one_else(void **state) {
    (void)state;
    const struct dev_leaf leaf = leaf_at(NOW, names_of((const char *const[]){"box"}, 1));
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/ca-key.pem", leaf.folder);
    FILE *file = fopen(path, "r");
    EVP_PKEY *stolen = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    fclose(file);
    X509 *authority = read_file(leaf.authority);
    static const char *const others[] = {"example.com", "bank.example", "8.8.8.8", "localhost.example.com",
                                         "notlocal"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_false(dev_certificate_permits(authority, others[i]));
        X509 *made = dev_certificate_leaf(stolen, names_of(&others[i], 1), authority, stolen, NOW, 90);
        assert_non_null(made);
        file = fopen(leaf.cert, "w");
        assert_int_equal(PEM_write_X509(file, made), 1);
        fclose(file);
        X509_free(made);
        const bool is_address = others[i][0] == '8';
        assert_int_equal(verify(&leaf, is_address ? NULL : others[i], is_address ? others[i] : NULL, NOW),
                         X509_V_ERR_PERMITTED_VIOLATION);
    }
    static const char *const own[] = {"localhost", "box",        "printer.local", "127.0.0.1",
                                      "10.1.2.3",  "172.16.0.1", "192.168.0.1"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        assert_true(dev_certificate_permits(authority, own[i]));
    }
    X509_free(authority);
    EVP_PKEY_free(stolen);
}

static void what_is_no_name_is_left_out(void **state) {
    (void)state;
    static const char *const list[] = {"a,DNS:evil.example", "bad name", "", "-x", "example.com", "box"};
    const struct dev_leaf leaf = leaf_at(NOW, names_of(list + 5, 1));
    assert_true(leaf.is_new_authority);
    const struct dev_leaf again = leaf_at(NOW, names_of(list, 6));
    assert_int_equal(verify(&again, "box", NULL, NOW), X509_V_OK);
    assert_int_equal(verify(&again, "evil.example", NULL, NOW), X509_V_ERR_HOSTNAME_MISMATCH);
    assert_int_equal(verify(&again, "example.com", NULL, NOW), X509_V_ERR_HOSTNAME_MISMATCH);
}

static void many_that_begin_at_once_agree(void **state) {
    (void)state;
    pid_t children[PROCESSES];
    for (size_t i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct dev_leaf leaf;
            char error[DEV_AUTHORITY_ERROR_MAX];
            const int status = dev_authority_leaf(names_of(NULL, 0), NOW, &leaf, error);
            _exit(status == 0 && verify(&leaf, "localhost", NULL, NOW) == X509_V_OK ? 0 : 1);
        }
    }
    for (size_t i = 0; i < PROCESSES; i++) {
        int status = -1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_false(leaf_at(NOW, names_of(NULL, 0)).is_new_authority);
}

static void a_folder_that_cant_be_written_is_told_of(void **state) {
    (void)state;
    char nowhere[96];
    struct dev_leaf leaf;
    char error[DEV_AUTHORITY_ERROR_MAX] = "";
    snprintf(nowhere, sizeof nowhere, "%s/file", folder);
    FILE *file = fopen(nowhere, "w");
    fclose(file);
    assert_int_equal(setenv("XDG_DATA_HOME", nowhere, 1), 0);
    assert_true(dev_authority_leaf(names_of(NULL, 0), NOW, &leaf, error) < 0);
    assert_non_null(strstr(error, nowhere));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_is_believed_for_its_names_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_are_for_this_user_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_is_made_anew_when_it_has_to_be, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stolen_key_speaks_for_no_one_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_name_is_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_that_begin_at_once_agree, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_that_cant_be_written_is_told_of, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
