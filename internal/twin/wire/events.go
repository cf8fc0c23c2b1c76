package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net/http"
	"reflect"
)

// streamMember is the output member that is an event stream.
func streamMember(s *Shape) (string, bool) {
	for _, name := range s.MemberNames() {
		if s.Members[name].Target.EventStream {
			return name, true
		}
	}
	return "", false
}

// writeEvents sends an event stream (application/vnd.amazon.eventstream): initial-response, then one frame an event.
func writeEvents(w http.ResponseWriter, r *http.Request, ref *Ref, stream reflect.Value) error {
	w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
	w.WriteHeader(http.StatusOK)
	flusher := http.NewResponseController(w)
	write := func(kind string, payload []byte) error {
		if _, err := w.Write(frame(kind, payload)); err != nil {
			return err
		}
		return flusher.Flush()
	}
	if err := write("initial-response", []byte("{}")); err != nil {
		return err
	}
	sender := reflect.MakeFunc(stream.Type().In(1), func(args []reflect.Value) []reflect.Value {
		err := sendEvent(ref.Target, args[0], write)
		return []reflect.Value{errorValue(err)}
	})
	result := stream.Call([]reflect.Value{reflect.ValueOf(r.Context()), sender})
	err, _ := result[0].Interface().(error)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func errorValue(err error) reflect.Value {
	v := reflect.New(reflect.TypeFor[error]()).Elem()
	if err != nil {
		v.Set(reflect.ValueOf(err))
	}
	return v
}

// sendEvent writes the one member of the union that is set.
func sendEvent(union *Shape, event reflect.Value, write func(string, []byte) error) error {
	for _, name := range union.MemberNames() {
		ref := union.Members[name]
		v, ok := present(field(event, name))
		if !ok {
			continue
		}
		payload, err := appendJSON(nil, ref.Target, ref, v)
		if err != nil {
			return err
		}
		return write(name, payload)
	}
	return nil
}

// frame builds one message of the event stream encoding.
func frame(kind string, payload []byte) []byte {
	var headers bytes.Buffer
	for _, h := range [][2]string{{":message-type", "event"}, {":event-type", kind}, {":content-type", "application/json"}} {
		headers.WriteByte(byte(len(h[0])))
		headers.WriteString(h[0])
		headers.WriteByte(7)
		binary.Write(&headers, binary.BigEndian, uint16(len(h[1])))
		headers.WriteString(h[1])
	}
	total := 12 + headers.Len() + len(payload) + 4
	out := make([]byte, 0, total)
	out = binary.BigEndian.AppendUint32(out, uint32(total))
	out = binary.BigEndian.AppendUint32(out, uint32(headers.Len()))
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out))
	out = append(out, headers.Bytes()...)
	out = append(out, payload...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out))
}
