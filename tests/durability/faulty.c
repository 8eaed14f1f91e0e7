/* Make chosen writing calls below one folder fail, or tell all of them: preloaded into a program under test.

       VML_FAULT_FOLDER   calls that touch files below it are looked at; all others pass
       VML_FAULT_CALLS    which: words of "create write fsync rename link mkdir unlink chmod truncate", commas between
       VML_FAULT_AT       the number, from 1, of the call that fails; 0 lets all pass
       VML_FAULT_ERRNO    how it fails: 28 is ENOSPC, 5 is EIO; -9 kills all of the program instead, before the call
       VML_FAULT_STICKY   1: all later ones fail as well, as on a disk that is full
       VML_FAULT_TOLD     a file to which one line "CALL PATH" is appended for each call looked at
       VML_FAULT_COUNT    a file in which the processes of one program count their calls together, and keep when the
                          first one was: int64 nanoseconds of CLOCK_MONOTONIC, int32 calls

   A write that fails for want of room writes half first, as real ones do. A file whose fsync fails loses its second
   half, as the kernel drops what it could not write and tells of it once. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct count {
    int64_t first_ns;
    atomic_int calls;
};
static struct count alone; /* counts where no other process does */

/* Return the number of this call among those of all processes of the program. */
static int number_of_call(void) {
    static _Atomic(struct count *) shared;
    struct count *seen = atomic_load(&shared);
    const char *file = getenv("VML_FAULT_COUNT");
    struct timespec now;
    int number;
    if (!seen && file) {
        int descriptor = syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (descriptor < 0 || syscall(SYS_ftruncate, descriptor, sizeof *seen)) abort();
        seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
        if (seen == MAP_FAILED) abort();
        syscall(SYS_close, descriptor);
        atomic_store(&shared, seen);
    }
    if (!seen) seen = &alone;
    number = atomic_fetch_add(&seen->calls, 1) + 1;
    if (number == 1) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        seen->first_ns = now.tv_sec * 1000000000LL + now.tv_nsec;
    }
    return number;
}

static void tell(const char *call, const char *path) {
    const char *file = getenv("VML_FAULT_TOLD");
    char line[PATH_MAX + 16];
    int length, descriptor;
    if (!file) return;
    length = snprintf(line, sizeof line, "%s %s\n", call, path);
    descriptor = syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (descriptor < 0) return;
    if (syscall(SYS_write, descriptor, line, length) != length) abort();
    syscall(SYS_close, descriptor);
}

/* Tell whether a word is one of those between the commas: "link" is not in "unlink". */
static int is_among(const char *words, const char *word) {
    size_t length = strlen(word);
    for (const char *found = words; (found = strstr(found, word)); found += length)
        if ((found == words || found[-1] == ',') && (!found[length] || found[length] == ',')) return 1;
    return 0;
}

/* Return the error this call shall end with, 0 for none. */
static int verdict(const char *call, const char *path) {
    const char *folder = getenv("VML_FAULT_FOLDER"), *calls = getenv("VML_FAULT_CALLS");
    const char *at = getenv("VML_FAULT_AT"), *number = getenv("VML_FAULT_ERRNO");
    const char *sticky = getenv("VML_FAULT_STICKY");
    int kept = errno, count, wanted;
    if (!folder || strncmp(path, folder, strlen(folder)) || !calls || !is_among(calls, call)) return 0;
    count = number_of_call();
    tell(call, path);
    errno = kept;
    wanted = at ? atoi(at) : 0;
    if (!wanted || count < wanted || (count > wanted && !(sticky && *sticky == '1'))) return 0;
    if (number && atoi(number) < 0) kill(0, -atoi(number)); /* it leads a group of its own */
    return number ? atoi(number) : EIO;
}

static int verdict_fd(const char *call, int descriptor) {
    char link[64], path[PATH_MAX];
    int kept = errno;
    ssize_t length;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    length = readlink(link, path, sizeof path - 1);
    errno = kept;
    if (length < 0) return 0;
    path[length] = 0;
    return verdict(call, path);
}

static int verdict_at(const char *call, int folder, const char *name) {
    char link[64], path[2 * PATH_MAX];
    ssize_t length;
    if (name[0] == '/') return verdict(call, name);
    if (folder == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
    else snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    snprintf(path + length, sizeof path - length, "/%s", name);
    return verdict(call, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL(test)                    \
    do {                              \
        int failure_ = (test);        \
        if (failure_) {               \
            errno = failure_;         \
            return -1;                \
        }                             \
    } while (0)
#define MODE(flags)                                     \
    mode_t mode = 0;                                    \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {            \
        va_list rest;                                   \
        va_start(rest, flags);                          \
        mode = va_arg(rest, mode_t);                    \
        va_end(rest);                                   \
    }
#define WRITES(flags) (((flags) & O_ACCMODE) != O_RDONLY || ((flags) & O_CREAT))

int open(const char *path, int flags, ...) {
    MODE(flags)
    if (WRITES(flags)) FAIL(verdict_at("create", AT_FDCWD, path));
    return REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(flags)
    if (WRITES(flags)) FAIL(verdict_at("create", AT_FDCWD, path));
    return REAL(open64)(path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...) {
    MODE(flags)
    if (WRITES(flags)) FAIL(verdict_at("create", folder, path));
    return REAL(openat)(folder, path, flags, mode);
}

int openat64(int folder, const char *path, int flags, ...) {
    MODE(flags)
    if (WRITES(flags)) FAIL(verdict_at("create", folder, path));
    return REAL(openat64)(folder, path, flags, mode);
}

ssize_t write(int descriptor, const void *bytes, size_t count) {
    static atomic_int half_written; /* descriptor + 1; who writes the other half is told */
    int expected = descriptor + 1, failure;
    if (atomic_compare_exchange_strong(&half_written, &expected, 0)) FAIL(ENOSPC);
    failure = verdict_fd("write", descriptor);
    if (failure == ENOSPC && count > 1) {
        atomic_store(&half_written, descriptor + 1);
        return REAL(write)(descriptor, bytes, count / 2);
    }
    FAIL(failure);
    return REAL(write)(descriptor, bytes, count);
}

ssize_t writev(int descriptor, const struct iovec *pieces, int count) {
    FAIL(verdict_fd("write", descriptor));
    return REAL(writev)(descriptor, pieces, count);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
    FAIL(verdict_fd("write", descriptor));
    return REAL(pwrite)(descriptor, bytes, count, offset);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off_t offset) {
    FAIL(verdict_fd("write", descriptor));
    return REAL(pwrite64)(descriptor, bytes, count, offset);
}

static int verdict_sync(int descriptor) {
    char link[64];
    struct stat status;
    int failure = verdict_fd("fsync", descriptor);
    if (failure && !fstat(descriptor, &status) && S_ISREG(status.st_mode)) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
        if (syscall(SYS_truncate, link, status.st_size / 2)) abort();
    }
    return failure;
}

int fsync(int descriptor) {
    FAIL(verdict_sync(descriptor));
    return REAL(fsync)(descriptor);
}

int fdatasync(int descriptor) {
    FAIL(verdict_sync(descriptor));
    return REAL(fdatasync)(descriptor);
}

int rename(const char *old, const char *new) {
    FAIL(verdict_at("rename", AT_FDCWD, new));
    return REAL(rename)(old, new);
}

int renameat(int from, const char *old, int to, const char *new) {
    FAIL(verdict_at("rename", to, new));
    return REAL(renameat)(from, old, to, new);
}

int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    FAIL(verdict_at("rename", to, new));
    return REAL(renameat2)(from, old, to, new, flags);
}

int link(const char *old, const char *new) {
    FAIL(verdict_at("link", AT_FDCWD, new));
    return REAL(link)(old, new);
}

int linkat(int from, const char *old, int to, const char *new, int flags) {
    FAIL(verdict_at("link", to, new));
    return REAL(linkat)(from, old, to, new, flags);
}

int chmod(const char *path, mode_t mode) {
    FAIL(verdict_at("chmod", AT_FDCWD, path));
    return REAL(chmod)(path, mode);
}

int fchmod(int descriptor, mode_t mode) {
    FAIL(verdict_fd("chmod", descriptor));
    return REAL(fchmod)(descriptor, mode);
}

int fchmodat(int folder, const char *path, mode_t mode, int flags) {
    FAIL(verdict_at("chmod", folder, path));
    return REAL(fchmodat)(folder, path, mode, flags);
}

int ftruncate(int descriptor, off_t length) {
    FAIL(verdict_fd("truncate", descriptor));
    return REAL(ftruncate)(descriptor, length);
}

int ftruncate64(int descriptor, off64_t length) {
    FAIL(verdict_fd("truncate", descriptor));
    return REAL(ftruncate64)(descriptor, length);
}

int truncate(const char *path, off_t length) {
    FAIL(verdict_at("truncate", AT_FDCWD, path));
    return REAL(truncate)(path, length);
}

int mkdirat(int folder, const char *path, mode_t mode) {
    FAIL(verdict_at("mkdir", folder, path));
    return REAL(mkdirat)(folder, path, mode);
}

int rmdir(const char *path) {
    FAIL(verdict_at("unlink", AT_FDCWD, path));
    return REAL(rmdir)(path);
}

int mkdir(const char *path, mode_t mode) {
    FAIL(verdict_at("mkdir", AT_FDCWD, path));
    return REAL(mkdir)(path, mode);
}

int unlink(const char *path) {
    FAIL(verdict_at("unlink", AT_FDCWD, path));
    return REAL(unlink)(path);
}

int unlinkat(int folder, const char *path, int flags) {
    FAIL(verdict_at("unlink", folder, path));
    return REAL(unlinkat)(folder, path, flags);
}
