// What do 100,000 goroutines cost that sleep at the same time, each for a random 0 to 100 ms? See sleepers.go.
package main

import (
	"os"
	"strconv"
	"time"
)

func main() {
	size := 100000
	if len(os.Args) > 1 {
		size, _ = strconv.Atoi(os.Args[1])
	}
	sleepersRun("sleep", size, 100*time.Millisecond)
}
