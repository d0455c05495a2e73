#include "http/integrity.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

int integrity_of(const struct embedded_bytes *bytes, char out[INTEGRITY_TEXT_MAX]) {
    static const char name[] = "sha384-";
    unsigned char hash[EVP_MAX_MD_SIZE];
    size_t size = 0;
    if (EVP_Q_digest(NULL, "SHA384", NULL, bytes->data, bytes->length, hash, &size) != 1) {
        return -EIO;
    }
    memcpy(out, name, sizeof name);
    EVP_EncodeBlock((unsigned char *)out + sizeof name - 1, hash, (int)size);
    return 0;
}

int integrity_print(const struct assets *assets, const char *base, FILE *out) {
    static const struct {
        const char *name, *element;
    } scripts[] = {
        {"daffi.js", "<script"},
        {"daffi.standalone.js", "<script"},
        {"daffi.mjs", "<script type=\"module\""},
    };
    size_t length = strlen(base);
    while (length > 0 && base[length - 1] == '/') {
        length--;
    }
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        const struct embedded_file *file = NULL;
        char integrity[INTEGRITY_TEXT_MAX];
        for (size_t k = 0; k < assets->files->count; k++) {
            if (strcmp(assets->files->files[k].name, scripts[i].name) == 0) {
                file = &assets->files->files[k];
            }
        }
        if (file == NULL || integrity_of(&file->plain, integrity) < 0) {
            return -EIO;
        }
        fprintf(out,
                "%s src=\"%.*s/gh/600apples/daffi@%s/js-client/%s\"\n    integrity=\"%s\" "
                "crossorigin=\"anonymous\"></script>\n",
                scripts[i].element, (int)length, base, assets->version, file->name, integrity);
    }
    return fflush(out) == 0 ? 0 : -EIO;
}
