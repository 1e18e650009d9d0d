// Built without exceptions and without RTTI: everything is there, an error is one line and the end of the process.
#include <gort.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

#if GORT_HPP_EXCEPTIONS || defined(__cpp_rtti)
#error "to be built with -fno-exceptions -fno-rtti"
#endif

using namespace std::chrono_literals;

#define CHECK(...)                                                                       \
    do {                                                                                 \
        if (!(__VA_ARGS__)) {                                                            \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #__VA_ARGS__); \
            _exit(1);                                                                    \
        }                                                                                \
    } while (0)

static void uses_it() {
    const gort::chan<std::string> strings(1);
    const gort::chan<int> numbers(0);
    gort::wait_group wg;
    gort::mutex m;
    gort::once once;
    gort::semaphore sema(1);
    int calls = 0;
    for (int i = 0; i < 10; i++) {
        wg.go([&, i, p = std::make_unique<int>(i)] {
            CHECK(strings.send(std::to_string(*p)));
            gort::defer_goroutine([&] { sema.release(); });
            sema.acquire();
            const std::unique_lock<gort::mutex> lock(m);
            once.call([&] { calls++; });
            CHECK(numbers.send_for(i, 1min));
        });
    }
    int sum = 0;
    for (int i = 0; i < 20; i++) {
        gort::select(gort::recv(strings, [&](std::optional<std::string> s) { sum += std::stoi(s.value()); }),
                     gort::recv(numbers, [&](std::optional<int> n) { sum += n.value(); }),
                     gort::after(1min, [] { CHECK(false); }));
    }
    wg.wait();
    CHECK(sum == 90 && calls == 1);
    gort::shared_mutex rw;
    rw.lock_shared();
    rw.unlock_shared();
    const gort::timer t(1us, [&] { numbers.send(1); });
    CHECK(numbers.recv().has_value());
    CHECK(gort::ticker(1ms).channel().recv().has_value());
    gort::sleep_for(1us);
    CHECK(*gort::blocking([p = std::make_unique<int>(3)]() mutable { return std::move(p); }) == 3);
    gort::blocking([&] { calls++; });
    CHECK(calls == 2);
    {
        const gort::context ctx = gort::context().with_timeout(1min);
        const gort::context_hook hook(ctx, [&] {
            numbers.send(2);
            gort::exit_goroutine();
        });
        gort::group g(ctx);
        g.go([](const gort::context& c) { return c.done().recv() ? RT_OK : RT_EBUSY; });
        g.go([] { gort::exit_goroutine(); });
        ctx.cancel();
        CHECK(g.wait().code() == RT_EBUSY && g.ctx().why().canceled());
        CHECK(numbers.recv() == 2);
        gort::goroutine_local<std::string> own;
        own.emplace("own");
        CHECK(*own == "own" && own->size() == 3);
    }
    const gort::syscall_scope blocks;
}

// Each in a child of its own: one ends the process, the other leaves its frames, and what they own, as they are.
static int in_child(void (*f)(), std::string& said) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    const pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], 2);
        f();
        _exit(0);
    }
    close(ends[1]);
    char text[256] = {};
    if (read(ends[0], text, sizeof text - 1) > 0) said = text;
    close(ends[0]);
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid);
    return status;
}

static void mistake() { gort::chan<int>().close(); }

static void exits() {
    gort::run([] {
        const gort::defer never([] { CHECK(false); });
        gort::exit_goroutine();
    });
}

int main() {
    std::string said;
    const int status = in_child(mistake, said);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    /* An emulator adds a line of its own. */
    CHECK(said.find(std::string("gort: rt_chan_close: ") + rt_strerror(RT_EINVAL) + "\n") == 0);
    CHECK(in_child(exits, said) == 0);

    uses_it();
    gort::run(uses_it);
    std::puts("cpp_bare: ok");
}
