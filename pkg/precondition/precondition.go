// Package precondition compiles the expression that a message may set as its precondition: ingest refuses what does not
// compile, timing evaluates the rest over the profile. It does not know profiles, nor what a message does when its
// precondition fails.
package precondition

import (
	"errors"
	"sync"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"
)

// Truth is what a precondition comes to. An unknown name makes it Unknown, not Fails.
type Truth int8

// The three truths.
const (
	Unknown Truth = iota
	Holds
	Fails
)

// maxPrograms bounds the compiled programs that are kept; a campaign has one for all of its messages.
const maxPrograms = 1024

// programs keeps what was compiled, errors too. A program is a function of its text alone, so this changes no result.
var programs = struct {
	sync.Mutex
	m map[string]compiled
}{m: map[string]compiled{}}

type compiled struct {
	program *vm.Program
	err     error
}

// Check says whether the text is an expression with a true or false answer.
func Check(text string) error {
	_, err := compile(text)
	return err
}

// Test evaluates the text over env, the JSON form of a profile. What does not compile is Unknown, and so is what asks for
// a name that env does not have, or computes with a value of another type than it thought.
func Test(text string, env map[string]any) Truth {
	p, err := compile(text)
	if err != nil {
		return Unknown
	}
	out, err := expr.Run(p, env)
	if err != nil {
		return Unknown
	}
	if yes, ok := out.(bool); ok && yes {
		return Holds
	}
	return Fails
}

func compile(text string) (*vm.Program, error) {
	programs.Lock()
	c, ok := programs.m[text]
	programs.Unlock()
	if ok {
		return c.program, c.err
	}
	names := &names{declared: map[string]bool{"$env": true}}
	c.program, c.err = expr.Compile(text,
		expr.Env(map[string]any{}), expr.AllowUndefinedVariables(), expr.AsBool(),
		expr.DisableBuiltin("now"), // an expression does not read the clock
		expr.Function(lookupName, lookup, new(func(any, string) any)),
		expr.Patch(names), expr.Patch(&lookups{names}),
	)
	if c.err == nil && names.calls {
		c.program, c.err = nil, errCall
	}
	programs.Lock()
	defer programs.Unlock()
	if len(programs.m) >= maxPrograms {
		clear(programs.m)
	}
	programs.m[text] = c
	return c.program, c.err
}

var (
	errUnknown = errors.New("unknown name")
	errCall    = errors.New("calls a function that is not built in")
)

// lookupName is the function that reads a member of an object and fails when it is not there.
const lookupName = "known"

func lookup(params ...any) (any, error) {
	object, _ := params[0].(map[string]any)
	name, _ := params[1].(string)
	if v, ok := object[name]; ok {
		return v, nil
	}
	return nil, errUnknown
}

// names collects what an expression declares itself, and notices calls: the built-in functions are nodes of their own.
type names struct {
	declared map[string]bool
	calls    bool
}

// Visit implements ast.Visitor.
func (v *names) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.VariableDeclaratorNode:
		v.declared[n.Name] = true
	case *ast.CallNode:
		v.calls = true
	}
}

// lookups turns each name and member into a lookup that fails when it is missing. a?.b stays as it is: it asks for nil.
type lookups struct{ *names }

// Visit implements ast.Visitor.
func (v *lookups) Visit(node *ast.Node) {
	patch := func(object ast.Node, name string) {
		ast.Patch(node, &ast.CallNode{
			Callee:    &ast.IdentifierNode{Value: lookupName},
			Arguments: []ast.Node{object, &ast.StringNode{Value: name}},
		})
	}
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if !v.declared[n.Value] {
			patch(&ast.IdentifierNode{Value: "$env"}, n.Value)
		}
	case *ast.MemberNode:
		if name, ok := n.Property.(*ast.StringNode); ok && !n.Optional && !n.Method {
			patch(n.Node, name.Value)
		}
	}
}
