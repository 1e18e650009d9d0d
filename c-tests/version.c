/* The version of the library is the version of the header, and every error code has a text. */
#include "check.h"

int main(void) {
    char want[64];
    snprintf(want, sizeof want, "%d.%d.%d", RT_VERSION_MAJOR, RT_VERSION_MINOR, RT_VERSION_PATCH);
    const char *version = rt_version();
    CHECK(version != NULL);
    if (strncmp(version, want, strlen(want)) != 0 || (version[strlen(want)] >= '0' && version[strlen(want)] <= '9'))
        FAIL("rt_version is %s, the header's is %s", version, want);
    CHECK(rt_version() == version);

    const int codes[] = {RT_OK,       RT_EAGAIN, RT_ECLOSED, RT_ETIMEDOUT, RT_ECANCELED,
                         RT_EINVAL,   RT_ENOMEM, RT_EBUSY,   RT_EDEADLK,   RT_EPERM};
    const size_t n = sizeof codes / sizeof codes[0];
    for (size_t i = 0; i < n; i++) {
        const char *text = rt_strerror(codes[i]);
        CHECK(text != NULL && *text != '\0');
        for (size_t j = 0; j < i; j++)
            if (strcmp(text, rt_strerror(codes[j])) == 0)
                FAIL("codes %d and %d have one text: %s", codes[i], codes[j], text);
    }

    /* What is no code of ours still gets a text. */
    const int odd[] = {1, 4711, -4711, -ENOENT, INT_MIN, INT_MAX};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        const char *text = rt_strerror(odd[i]);
        CHECK(text != NULL && *text != '\0');
    }
    puts("version: ok");
    return 0;
}
