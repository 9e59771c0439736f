;; A channel that grows its table until the host refuses, which Rust cannot express.
(module
  (table 1 funcref)
  (memory (export "memory") 1)
  (data (i32.const 16) "{\"name\": \"table\", \"version\": \"1.0.0\", \"summary\": \"Test guest\"}")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "gateway:plugin/channel@0.1.3#describe") (result i32)
    (i32.store (i32.const 0) (i32.const 16))
    (i32.store (i32.const 4) (i32.const 62))
    (i32.const 0))
  (func (export "gateway:plugin/channel@0.1.3#receive") (result i32)
    (loop $more
      (br_if $more (i32.ne (table.grow 0 (ref.null func) (i32.const 1000)) (i32.const -1))))
    unreachable))
