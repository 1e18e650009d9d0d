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
                     gort::recv(numbers, [&](std::optional<int> n) { sum += n.value(); }), gort::after(1min, [] { CHECK(false); }));
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
}

static void mistake() { gort::chan<int>().close(); }

int main() {
    int ends[2];
    CHECK(pipe(ends) == 0);
    const pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], 2);
        mistake();
        _exit(0);
    }
    close(ends[1]);
    char said[256] = {};
    CHECK(read(ends[0], said, sizeof said - 1) > 0);
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    const std::string line = said;
    CHECK(line == std::string("gort: rt_chan_close: ") + rt_strerror(RT_EINVAL) + "\n");

    uses_it();
    gort::run(uses_it);
    gort::run([] {
        gort::exit_goroutine();
        CHECK(false);
    });
    std::puts("cpp_bare: ok");
}
