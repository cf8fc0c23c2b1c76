package main

import (
	"fmt"
	"syscall"
	"unsafe"
)

func printSize() {
	var size struct{ rows, columns, x, y uint16 }
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, 0, syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&size)))
	fmt.Printf("size %dx%d errno %d\n", size.rows, size.columns, errno)
}
