/*
 * C++ exception state belongs to the goroutine: what is being handled, what is in flight, and the count of it survive
 * parks that end on other threads, while all other goroutines throw and catch. An exception that leaves a goroutine's
 * function ends the process with a line. check.h is C11, so it does not serve.
 */
#include <gort.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

#define CHECK(cond)                                                                 \
    do {                                                                            \
        if (!(cond)) {                                                              \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond); \
            std::fflush(nullptr);                                                   \
            _exit(1);                                                               \
        }                                                                           \
    } while (0)

namespace {

constexpr int goroutines = 32, threads = 2, rounds = 60;

rt_chan *ball;
rt_mutex mu;
std::atomic<int> done{0};
std::atomic<long> destructors{0};

struct own_error : std::runtime_error {
    int owner, depth;
    own_error(int o, int d) : std::runtime_error("own"), owner(o), depth(d) {}
};

/* Some way to wait, by turns. */
void park(int i) {
    switch (i % 6) {
    case 0: rt_gosched(); break;
    case 1: CHECK(rt_sleep(10000) == RT_OK); break;
    case 2: CHECK(rt_chan_send(ball, nullptr) == RT_OK); break;
    case 3: CHECK(rt_chan_recv(ball, nullptr) == RT_OK); break;
    case 4:
        CHECK(rt_mutex_lock(&mu) == RT_OK);
        rt_gosched();
        CHECK(rt_mutex_unlock(&mu) == RT_OK);
        break;
    default: CHECK(rt_gopark_timeout(nullptr, nullptr, "exception state", 5000) == RT_ETIMEDOUT);
    }
}

/* The send and the receive of park go in pairs. */
void parks() {
    for (int i = 0; i < 6; i++) park(i);
}

/* Never inlined: a compiler may keep the address of what is per thread. */
__attribute__((noinline)) int uncaught() { return std::uncaught_exceptions(); }

__attribute__((noinline)) void current_is(int owner, int depth) {
    const std::exception_ptr p = std::current_exception();
    CHECK(p != nullptr);
    try {
        std::rethrow_exception(p);
    } catch (const own_error &e) {
        CHECK(e.owner == owner && e.depth == depth);
    }
}

/* A destructor that waits while an exception passes it. */
struct waits_in_destructor {
    int expected;
    ~waits_in_destructor() {
        CHECK(uncaught() == expected);
        parks();
        CHECK(uncaught() == expected);
        /* A whole exception inside, over and done with. */
        try {
            throw own_error(-1, 0);
        } catch (const own_error &e) {
            CHECK(uncaught() == expected);
            parks();
            CHECK(e.owner == -1);
        }
        CHECK(uncaught() == expected);
        destructors++;
    }
};

void handles(int me, int depth) {
    try {
        waits_in_destructor w{1};
        CHECK(uncaught() == 0);
        throw own_error(me, depth);
    } catch (const own_error &e) {
        CHECK(uncaught() == 0);
        CHECK(e.owner == me && e.depth == depth);
        parks();
        current_is(me, depth);
        /* Caught within caught. */
        if (depth > 0) handles(me, depth - 1);
        CHECK(e.owner == me && e.depth == depth);
        current_is(me, depth);
        parks();
        current_is(me, depth);
    }
}

/* Thrown on after a wait in the handler: still the same one. */
void rethrows(int me) {
    bool outer = false;
    try {
        try {
            throw own_error(me, 7);
        } catch (const own_error &) {
            parks();
            throw;
        }
    } catch (const own_error &e) {
        outer = true;
        CHECK(e.owner == me && e.depth == 7);
        parks();
        CHECK(uncaught() == 0);
    }
    CHECK(outer);
    CHECK(std::current_exception() == nullptr);

    /* And by a pointer that came over a channel's time. */
    std::exception_ptr kept;
    try {
        throw own_error(me, 8);
    } catch (...) {
        kept = std::current_exception();
    }
    parks();
    try {
        std::rethrow_exception(kept);
    } catch (const own_error &e) {
        parks();
        CHECK(e.owner == me && e.depth == 8);
    }
}

void works(void *arg) {
    const int me = static_cast<int>(reinterpret_cast<std::intptr_t>(arg));
    CHECK(uncaught() == 0);
    CHECK(std::current_exception() == nullptr);
    for (int i = 0; i < rounds; i++) {
        handles(me, i % 3);
        rethrows(me);
        CHECK(uncaught() == 0);
        CHECK(std::current_exception() == nullptr);
    }
    done++;
}

void *arg_of(int i) { return reinterpret_cast<void *>(static_cast<std::intptr_t>(i)); }

/* A fresh goroutine finds nothing of the one that starts it in a handler, or of those before it on its thread. */
void finds_nothing(void *arg) {
    CHECK(uncaught() == 0);
    CHECK(std::current_exception() == nullptr);
    (*static_cast<std::atomic<int> *>(arg))++;
}

void starts_in_handler(void *) {
    std::atomic<int> n{0};
    try {
        throw own_error(1, 1);
    } catch (const own_error &) {
        for (int i = 0; i < 20; i++) CHECK(rt_go(finds_nothing, &n) > 0);
        while (n < 20) rt_gosched();
        current_is(1, 1);
    }
    CHECK(std::current_exception() == nullptr);
}

/* One that ends inside a handler leaves nothing behind on its thread. */
void exits_in_handler(void *) {
    try {
#if defined(__SANITIZE_ADDRESS__)
        /* Its frames are left as they are, and the exception with them: lost on purpose. */
        const __lsan::ScopedDisabler lost;
#endif
        throw own_error(2, 2);
    } catch (const own_error &) {
        rt_goexit();
    }
}

/* Out of a function: the process ends. */
void throws(void *) { throw own_error(3, 3); }

void throws_late(void *) {
    CHECK(rt_sleep(1000000) == RT_OK);
    throw std::runtime_error("late");
}

void defers_throw(void *) { CHECK(rt_defer(throws, nullptr) == RT_OK); }

void throws_int(void *) { throw 42; }

void leave_go() {
    CHECK(rt_go(throws, nullptr) > 0);
    for (;;) rt_sleep(INT64_C(1000000000));
}

void leave_run() { rt_run(throws_late, nullptr); }

void leave_int() { rt_run(throws_int, nullptr); }

void leave_defer() { rt_run(defers_throw, nullptr); }

void leave_function() {
    CHECK(rt_after_func(1000, throws, nullptr) != nullptr);
    for (;;) rt_sleep(INT64_C(1000000000));
}

void leave_once() {
    static rt_once once;
    rt_once_do(&once, throws, nullptr);
}

void ends_with_a_line(const char *name, void (*fn)()) {
    int fds[2];
    CHECK(pipe(fds) == 0);
    std::fflush(nullptr);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        const rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        close(fds[0]);
        dup2(fds[1], 2);
        close(fds[1]);
        alarm(60);
        fn();
        _exit(0);
    }
    close(fds[1]);
    std::string text;
    char part[512];
    for (;;) {
        const ssize_t n = read(fds[0], part, sizeof part);
        if (n == 0) break;
        if (n < 0) {
            CHECK(errno == EINTR);
            continue;
        }
        text.append(part, static_cast<std::size_t>(n));
    }
    close(fds[0]);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) CHECK(errno == EINTR);
    const bool by_signal = WIFSIGNALED(status) && WTERMSIG(status) != SIGALRM && WTERMSIG(status) != SIGSEGV;
    const bool by_code = WIFEXITED(status) && WEXITSTATUS(status) != 0;
    const bool has_line = text.find("exception") != std::string::npos || text.find("terminate") != std::string::npos;
    if ((by_signal || by_code) && has_line) return;
    std::fprintf(stderr, "%s: status %#x, stderr:\n%s\n", name, static_cast<unsigned>(status), text.c_str());
    std::exit(1);
}

}  // namespace

int main() {
    ends_with_a_line("rt_go", leave_go);
    ends_with_a_line("rt_run", leave_run);
    ends_with_a_line("an int", leave_int);
    ends_with_a_line("rt_defer", leave_defer);
    ends_with_a_line("rt_after_func", leave_function);
    ends_with_a_line("rt_once_do", leave_once);

    ball = rt_chan_make(0, 3);
    CHECK(ball != nullptr);
    for (int i = 0; i < goroutines; i++) CHECK(rt_go(works, arg_of(i)) > 0);
    std::vector<std::thread> plain;
    for (int i = 0; i < threads; i++) plain.emplace_back(works, arg_of(goroutines + i));
    /* This thread too is inside a handler all the time. */
    try {
        throw own_error(1000, 0);
    } catch (const own_error &) {
        while (done < goroutines + threads) {
            CHECK(rt_sleep(500000) == RT_OK);
            current_is(1000, 0);
            CHECK(uncaught() == 0);
        }
    }
    for (std::thread &t : plain) t.join();
    CHECK(std::current_exception() == nullptr);
    CHECK(destructors > 0);

    for (int i = 0; i < 20; i++) CHECK(rt_run(exits_in_handler, nullptr) == RT_OK);
    CHECK(rt_run(starts_in_handler, nullptr) == RT_OK);
    rt_chan_unref(ball);
    std::puts("goroutine_state: ok");
    return 0;
}
