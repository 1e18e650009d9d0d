// How long do the first 2,000 primes take by the sieve of goroutines: each prime has one that lets pass what it does not
// divide, over unbuffered channels? Nobody waits for the goroutines at the end: what counts is the time until the last
// prime has come.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func numbers(to chan<- int64) {
	for i := int64(2); ; i++ {
		to <- i
	}
}

func filter(from <-chan int64, to chan<- int64, prime int64) {
	for {
		if value := <-from; value%prime != 0 {
			to <- value
		}
	}
}

func main() {
	size := 2000
	if len(os.Args) > 1 {
		size, _ = strconv.Atoi(os.Args[1])
	}
	prime, sum := int64(0), int64(0)
	from := make(chan int64)
	start := time.Now()
	go numbers(from)
	for range size {
		prime = <-from
		sum += prime
		to := make(chan int64)
		go filter(from, to, prime)
		from = to
	}
	fmt.Printf("sieve %.3f ms\n", time.Since(start).Seconds()*1e3)
	if (size == 2000 && (prime != 17389 || sum != 16274627)) || (size == 300 && prime != 1987) {
		panic("primes")
	}
}
