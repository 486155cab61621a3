package service

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// Parse fills cli, a pointer to a struct with kong tags, from args, KAIROS_* variables and the file that the flag
// --config names, in that order of strength.
func Parse(cli any, name, doc string, args []string, stdout, stderr io.Writer, opts ...kong.Option) (*kong.Context, error) {
	file := &configFile{}
	opts = append([]kong.Option{
		kong.Name(name),
		kong.Description(doc),
		kong.Writers(stdout, stderr),
		kong.DefaultEnvars("KAIROS"),
		kong.Resolvers(file),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 110}),
	}, opts...)
	k, err := kong.New(cli, opts...)
	if err != nil {
		return nil, err
	}
	return k.Parse(args)
}

// configFile resolves flags from a YAML file: nested keys are joined by "-" to a flag's name. It is read at the first
// flag asked for, because only then the value of --config is known.
type configFile struct {
	path   string
	read   bool
	values map[string]any
}

// Resolve returns the value of flag in the file, or nil.
func (c *configFile) Resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if err := c.load(ctx); err != nil {
		return nil, err
	}
	for _, env := range flag.Envs {
		if _, ok := os.LookupEnv(env); ok {
			return nil, nil //nolint:nilnil // kong's way to say "not from here"; the environment wins over the file
		}
	}
	return c.values[flag.Name], nil
}

// Validate refuses keys that no flag of the program has.
func (c *configFile) Validate(app *kong.Application) error {
	known := map[string]bool{}
	err := kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if f, ok := node.(*kong.Flag); ok {
			known[f.Name] = true
		}
		return next(nil)
	})
	for _, key := range slices.Sorted(maps.Keys(c.values)) {
		if !known[key] {
			err = errors.Join(err, fmt.Errorf("%s: unknown key %q", c.path, key))
		}
	}
	return err
}

func (c *configFile) load(ctx *kong.Context) error {
	if c.read {
		return nil
	}
	c.read = true
	for _, f := range ctx.Flags() {
		if f.Name == "config" {
			c.path, _ = ctx.FlagValue(f).(string)
		}
	}
	if c.path == "" {
		c.path = os.Getenv("KAIROS_CONFIG")
	}
	if c.path == "" {
		return nil
	}
	data, err := os.ReadFile(c.path)
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	tree := map[string]any{}
	if err := yaml.Unmarshal(data, &tree); err != nil {
		return fmt.Errorf("config: %s: %w", c.path, err)
	}
	c.values = map[string]any{}
	return flatten(c.values, "", tree, c.path)
}

func flatten(into map[string]any, prefix string, tree map[string]any, path string) error {
	for key, value := range tree {
		name := prefix + strings.ReplaceAll(key, "_", "-")
		switch v := value.(type) {
		case map[string]any:
			if err := flatten(into, name+"-", v, path); err != nil {
				return err
			}
		case nil:
		case []any:
			parts := make([]string, len(v))
			for i, e := range v {
				parts[i] = fmt.Sprint(e)
			}
			into[name] = strings.Join(parts, ",")
		default:
			if _, twice := into[name]; twice {
				return fmt.Errorf("config: %s: key %q is given twice", path, name)
			}
			into[name] = fmt.Sprint(v)
		}
	}
	return nil
}

// PrintConfig writes the settings in effect as YAML that --config reads; secrets are masked.
func PrintConfig(w io.Writer, ctx *kong.Context) error {
	out := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range ctx.Flags() {
		switch f.Name {
		case "help", "version", "config", "print-config", "probe":
			continue
		}
		value := &yaml.Node{}
		v := ctx.FlagValue(f)
		if d, ok := v.(fmt.Stringer); ok {
			v = d.String()
		}
		if f.Tag.Has("secret") && v != "" {
			v = "***"
		}
		if err := value.Encode(v); err != nil {
			return err
		}
		out.Content = append(out.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: f.Name}, value)
	}
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	return errors.Join(enc.Encode(out), enc.Close())
}
