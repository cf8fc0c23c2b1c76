package wire

import (
	"reflect"
	"sync"
)

var fieldIndexes sync.Map // reflect.Type → map[string]int

// field returns the field of struct v that holds the member; the zero Value where the type has none.
func field(v reflect.Value, member string) reflect.Value {
	t := v.Type()
	known, ok := fieldIndexes.Load(t)
	if !ok {
		index := map[string]int{}
		for i := range t.NumField() {
			index[t.Field(i).Name] = i
		}
		known, _ = fieldIndexes.LoadOrStore(t, index)
	}
	i, ok := known.(map[string]int)[FieldName(member)]
	if !ok {
		return reflect.Value{}
	}
	return v.Field(i)
}

// present follows pointers; false where the member is unset.
func present(v reflect.Value) (reflect.Value, bool) {
	if !v.IsValid() {
		return v, false
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return v, false
		}
		return v.Elem(), true
	case reflect.Slice, reflect.Map, reflect.Interface, reflect.Func:
		return v, !v.IsNil()
	}
	return v, true
}
