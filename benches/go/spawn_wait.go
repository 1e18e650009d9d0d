// How long until a goroutine that was just spawned has run, and the one who waits for it goes on?
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

//go:noinline
func nothing() {}

func main() {
	size := 1000000
	if len(os.Args) > 1 {
		size, _ = strconv.Atoi(os.Args[1])
	}
	var one sync.WaitGroup
	start := time.Now()
	for range size {
		one.Go(nothing)
		one.Wait()
	}
	fmt.Printf("spawn_wait %.3f ns\n", float64(time.Since(start))/float64(size))
}
