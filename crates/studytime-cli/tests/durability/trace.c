/* Put before the C library (LD_PRELOAD), this notes in the file that TRACE_LOG
 * names what a program writes, syncs and renames, in the order in which it does:
 * what would survive a power cut. For tests. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static void note(const char *what, const char *path, const char *to) {
    const char *log = getenv("TRACE_LOG");
    char line[8300];
    if (!log) return;
    int length = snprintf(line, sizeof line, "%s\t%s\t%s\n", what, path, to);
    /* Straight to the system: this must not be noted itself. */
    int fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return;
    if (length > 0 && length < (int)sizeof line) syscall(SYS_write, fd, line, (size_t)length);
    syscall(SYS_close, fd);
}

static void note_fd(const char *what, int fd) {
    char link[64], path[4096];
    if (fd == 1) {
        note("told", "", "");
        return;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0 || path[0] != '/') return;
    path[length] = 0;
    note(what, path, "");
}

#define REAL(type, name, args)                                       \
    static type(*real) args;                                         \
    if (!real) real = (type(*) args)dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *bytes, size_t count) {
    REAL(ssize_t, write, (int, const void *, size_t));
    note_fd("write", fd);
    return real(fd, bytes, count);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(ssize_t, writev, (int, const struct iovec *, int));
    note_fd("write", fd);
    return real(fd, parts, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    REAL(ssize_t, pwrite, (int, const void *, size_t, off_t));
    note_fd("write", fd);
    return real(fd, bytes, count, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    REAL(ssize_t, pwrite64, (int, const void *, size_t, off64_t));
    note_fd("write", fd);
    return real(fd, bytes, count, at);
}

/* A sync is noted when it is done, and only when it went well. */
int fsync(int fd) {
    REAL(int, fsync, (int));
    int done = real(fd);
    if (done == 0) note_fd("sync", fd);
    return done;
}

int fdatasync(int fd) {
    REAL(int, fdatasync, (int));
    int done = real(fd);
    if (done == 0) note_fd("sync", fd);
    return done;
}

int rename(const char *from, const char *to) {
    REAL(int, rename, (const char *, const char *));
    note("rename", from, to);
    return real(from, to);
}
