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

        .text
        .globl  hilo_switch_context
        .hidden hilo_switch_context
        .type   hilo_switch_context, @function
        .balign 64
hilo_switch_context:
        .cfi_startproc
        addi    sp, sp, -FRAME              // what a callee must keep goes onto the stack that is left
        .cfi_adjust_cfa_offset FRAME
        .cfi_rel_offset ra, 0
        .cfi_rel_offset s0, 8
        sd      ra, 0(sp)                   // where `from` continues
        sd      s0, 8(sp)
        sd      s1, 16(sp)
        sd      s2, 24(sp)
        sd      s3, 32(sp)
        sd      s4, 40(sp)
        sd      s5, 48(sp)
        sd      s6, 56(sp)
        sd      s7, 64(sp)
        sd      s8, 72(sp)
        sd      s9, 80(sp)
        sd      s10, 88(sp)
        sd      s11, 96(sp)
        fsd     fs0, 104(sp)
        fsd     fs1, 112(sp)
        fsd     fs2, 120(sp)
        fsd     fs3, 128(sp)
        fsd     fs4, 136(sp)
        fsd     fs5, 144(sp)
        fsd     fs6, 152(sp)
        fsd     fs7, 160(sp)
        fsd     fs8, 168(sp)
        fsd     fs9, 176(sp)
        fsd     fs10, 184(sp)
        fsd     fs11, 192(sp)
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
        .cfi_adjust_cfa_offset -FRAME
        .cfi_restore s0
        .cfi_register ra, t1
        jr      t1                          // not ret, nor t0: the return predictor knows another call
        .cfi_endproc
        .size   hilo_switch_context, . - hilo_switch_context

        .section .note.GNU-stack, "", @progbits
