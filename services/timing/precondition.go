package timing

import (
	"errors"
	"sync"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"

	"github.com/go-json-experiment/json"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
)

// truth is what a precondition comes to. An unknown name makes it unknown, not false.
type truth int8

const (
	unknown truth = iota
	holds
	fails
)

var errUnknown = errors.New("unknown name")

// maxConditions bounds the compiled preconditions that are kept; a campaign has one for all of its messages.
const maxConditions = 1024

// conditions compiles preconditions and keeps the programs. A program is a function of its text alone.
type conditions struct {
	mu       sync.Mutex
	programs map[string]*vm.Program // nil for a text that does not compile
}

func newConditions() *conditions { return &conditions{programs: map[string]*vm.Program{}} }

// valid says whether the text is an expression with a true or false answer.
func (c *conditions) valid(text string) bool { return c.program(text) != nil }

func (c *conditions) program(text string) *vm.Program {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.programs[text]
	if !ok {
		p, _ = Compile(text)
		if len(c.programs) >= maxConditions {
			clear(c.programs)
		}
		c.programs[text] = p
	}
	return p
}

// Compile checks and compiles a precondition: an expr-lang expression over the profile's JSON form, with a true or false
// answer. now() is not there, as an expression must not read the clock.
func Compile(text string) (*vm.Program, error) {
	names := &names{declared: map[string]bool{"$env": true}}
	return expr.Compile(text,
		expr.Env(map[string]any{}), expr.AllowUndefinedVariables(), expr.AsBool(), expr.DisableBuiltin("now"),
		expr.Function("known", known, new(func(any, string) any)),
		expr.Patch(names), expr.Patch(&lookups{names}),
	)
}

// test evaluates a precondition over the profile.
func (c *conditions) test(text string, env map[string]any) truth {
	p := c.program(text)
	if p == nil {
		return unknown
	}
	out, err := expr.Run(p, env)
	if err != nil { // an unknown name, or one of an unexpected type
		return unknown
	}
	if yes, _ := out.(bool); yes {
		return holds
	}
	return fails
}

// environment is what a precondition sees: the profile as it is on the enriched topic. The attributes are always there.
func environment(p *profile.Profile) map[string]any {
	env := map[string]any{}
	if text, err := event.Encode(p); err == nil {
		_ = json.Unmarshal(text, &env) // our own encoding reads back
	}
	if env["attributes"] == nil {
		env["attributes"] = map[string]any{}
	}
	return env
}

// known reads a member of an object, and says when it is not there.
func known(params ...any) (any, error) {
	object, _ := params[0].(map[string]any)
	name, _ := params[1].(string)
	if v, ok := object[name]; ok {
		return v, nil
	}
	return nil, errUnknown
}

// names collects what an expression declares itself.
type names struct{ declared map[string]bool }

// Visit implements ast.Visitor.
func (v *names) Visit(node *ast.Node) {
	if d, ok := (*node).(*ast.VariableDeclaratorNode); ok {
		v.declared[d.Name] = true
	}
}

// lookups turns each name and member into a lookup that fails when it is missing. a?.b stays as it is: it asks for nil.
type lookups struct{ *names }

// Visit implements ast.Visitor.
func (v *lookups) Visit(node *ast.Node) {
	lookup := func(object ast.Node, name string) {
		ast.Patch(node, &ast.CallNode{
			Callee:    &ast.IdentifierNode{Value: "known"},
			Arguments: []ast.Node{object, &ast.StringNode{Value: name}},
		})
	}
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if !v.declared[n.Value] && n.Value != "known" {
			lookup(&ast.IdentifierNode{Value: "$env"}, n.Value)
		}
	case *ast.MemberNode:
		if name, ok := n.Property.(*ast.StringNode); ok && !n.Optional && !n.Method {
			lookup(n.Node, name.Value)
		}
	}
}
