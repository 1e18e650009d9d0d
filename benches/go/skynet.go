// What does a tree of goroutines cost, per leaf? Each has ten children, down to 1,000,000 leaves, which send their
// numbers up through unbuffered channels; each other sends the sum of its ten. The size is a power of ten.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

const children = 10

func run(up chan<- int64, first, leaves int64) {
	sum := first
	if leaves > 1 {
		sums := make(chan int64)
		leaves /= children
		for i := range int64(children) {
			go run(sums, first+i*leaves, leaves)
		}
		sum = 0
		for range children {
			sum += <-sums
		}
	}
	up <- sum
}

func main() {
	size := int64(1000000)
	if len(os.Args) > 1 {
		size, _ = strconv.ParseInt(os.Args[1], 10, 64)
	}
	up := make(chan int64)
	start := time.Now()
	go run(up, 0, size)
	sum := <-up
	fmt.Printf("skynet %.3f ns\n", float64(time.Since(start))/float64(size))
	if sum != size*(size-1)/2 {
		panic("sum")
	}
}
