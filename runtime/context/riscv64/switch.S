// std::uint32_t hilo_switch_context(context* from, context* to)
//
//   a0  from: left here            a1  to: continued
//   a0  to->result, the value that the call which suspended `to` returns
//
// Stack of a suspended context, from sp upwards (RISC-V ELF psABI, 1.1 and 1.2: what a callee keeps):
//   +0 ra (where to continue)  +8 s0 .. +96 s11  +104 fs0 .. +192 fs11  +200 unused
//
// fcsr is not saved: it is the carrier's, as errno is.

#define CONTEXT_SP 0
#define CONTEXT_ON_CPU 8
#define CONTEXT_RESULT 12
#define FRAME 208

#if !defined(__riscv_float_abi_double)
#error "hilo: the switch keeps the registers of the lp64d calling convention"
#endif

        .macro  keep store, register, at
        \store  \register, \at(sp)
        .cfi_rel_offset \register, \at
        .endm

        .text
        .globl  hilo_switch_context
        .hidden hilo_switch_context
        .type   hilo_switch_context, @function
        .balign 64
hilo_switch_context:
        .cfi_startproc
        .cfi_remember_state
        addi    sp, sp, -FRAME              // the callee-saved registers go onto the stack of from
        .cfi_adjust_cfa_offset FRAME
        keep    sd, ra, 0                   // where `from` continues
        keep    sd, s0, 8
        keep    sd, s1, 16
        keep    sd, s2, 24
        keep    sd, s3, 32
        keep    sd, s4, 40
        keep    sd, s5, 48
        keep    sd, s6, 56
        keep    sd, s7, 64
        keep    sd, s8, 72
        keep    sd, s9, 80
        keep    sd, s10, 88
        keep    sd, s11, 96
        keep    fsd, fs0, 104
        keep    fsd, fs1, 112
        keep    fsd, fs2, 120
        keep    fsd, fs3, 128
        keep    fsd, fs4, 136
        keep    fsd, fs5, 144
        keep    fsd, fs6, 152
        keep    fsd, fs7, 160
        keep    fsd, fs8, 168
        keep    fsd, fs9, 176
        keep    fsd, fs10, 184
        keep    fsd, fs11, 192
        sd      sp, CONTEXT_SP(a0)          // from is suspended once this is published
        ld      sp, CONTEXT_SP(a1)          // now on the other stack, whose frame looks the same
        fence   rw, w                       // (S) with the store below: a release
        sw      zero, CONTEXT_ON_CPU(a0)    // from may be continued elsewhere from here on
        lwu     a0, CONTEXT_RESULT(a1)      // the suspended call's return value
        ld      t1, 0(sp)                   // where `to` continues; its callee-kept registers follow
        ld      s0, 8(sp)
        ld      s1, 16(sp)
        ld      s2, 24(sp)
        ld      s3, 32(sp)
        ld      s4, 40(sp)
        ld      s5, 48(sp)
        ld      s6, 56(sp)
        ld      s7, 64(sp)
        ld      s8, 72(sp)
        ld      s9, 80(sp)
        ld      s10, 88(sp)
        ld      s11, 96(sp)
        fld     fs0, 104(sp)
        fld     fs1, 112(sp)
        fld     fs2, 120(sp)
        fld     fs3, 128(sp)
        fld     fs4, 136(sp)
        fld     fs5, 144(sp)
        fld     fs6, 152(sp)
        fld     fs7, 160(sp)
        fld     fs8, 168(sp)
        fld     fs9, 176(sp)
        fld     fs10, 184(sp)
        fld     fs11, 192(sp)
        addi    sp, sp, FRAME
        .cfi_restore_state                  // all registers are the caller's again
        .cfi_register ra, t1
        jr      t1                          // not ret, nor t0: the return predictor expects another
        .cfi_endproc
        .size   hilo_switch_context, . - hilo_switch_context

        .section .note.GNU-stack, "", @progbits
