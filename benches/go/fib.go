// What does a goroutine cost that another forks and joins? The 38th Fibonacci number: each call has a goroutine of its
// own compute the number before, computes the one before that itself, and waits. From a cut-off on it is a plain
// recursion: at 10 this is work of some 100 ns, at 2 next to none (and then it is the 28th number). What counts is the
// time per goroutine. `fib_serial` is the plain recursion from the cut-off 10 alone, per call: the languages differ
// there.
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

//go:noinline
func serial(n int64) int64 {
	if n < 2 {
		return n
	}
	return serial(n-1) + serial(n-2)
}

func forks(n, cutOff int64) int64 {
	if n <= cutOff {
		return serial(n)
	}
	var joined sync.WaitGroup
	var one int64
	joined.Go(func() { one = forks(n-1, cutOff) })
	two := forks(n-2, cutOff)
	joined.Wait()
	return one + two
}

// How many goroutines it takes.
func count(n, cutOff int64) int64 {
	if n <= cutOff {
		return 0
	}
	return 1 + count(n-1, cutOff) + count(n-2, cutOff)
}

func measure(name string, n, cutOff int64) {
	start := time.Now()
	result := forks(n, cutOff)
	fmt.Printf("%s %.3f ns\n", name, float64(time.Since(start))/float64(count(n, cutOff)))
	a, b := int64(0), int64(1)
	for range n {
		a, b = b, a+b
	}
	if result != a {
		panic("result")
	}
}

func main() {
	n := int64(38)
	if len(os.Args) > 1 {
		n, _ = strconv.ParseInt(os.Args[1], 10, 64)
	}
	measure("fib10", n, 10)
	measure("fib2", n-10, 2)
	const serials = 100000
	sum := int64(0)
	start := time.Now()
	for i := range int64(serials) {
		sum += serial(9 + i%2)
	}
	fmt.Printf("fib_serial %.3f ns\n", float64(time.Since(start))/serials)
	if sum != serials/2*(34+55) {
		panic("sum")
	}
}
