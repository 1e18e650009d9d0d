// What does a lock of a mutex cost that eight goroutines want, for one increment each time? First they do nothing else,
// then each does some 100 ns of work of its own between two locks, which count too. (With one P the mutex is hardly
// ever locked when somebody comes.)
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

const lockers, work = 8, 64

// In cache lines of its own, as the C program's.
var shared struct {
	_       [64]byte
	mutex   sync.Mutex
	counter int
	random  uint64
	_       [64]byte
}

func locker(size, steps int) {
	random := uint64(1)
	for range size {
		shared.mutex.Lock()
		shared.counter++
		shared.mutex.Unlock()
		for range steps {
			random = random*6364136223846793005 + 1442695040888963407
		}
	}
	shared.mutex.Lock()
	shared.random += random
	shared.mutex.Unlock()
}

func measure(name string, size, steps int) {
	var all sync.WaitGroup
	shared.counter = 0
	start := time.Now()
	for range lockers {
		all.Go(func() { locker(size, steps) })
	}
	all.Wait()
	fmt.Printf("%s %.3f ns\n", name, float64(time.Since(start))/float64(lockers*size))
	if shared.counter != lockers*size {
		panic("counter")
	}
}

func main() {
	size := 10000000
	if len(os.Args) > 1 {
		size, _ = strconv.Atoi(os.Args[1])
	}
	size /= lockers
	measure("mutex", size, 0)
	measure("mutex_work", size, work)
}
