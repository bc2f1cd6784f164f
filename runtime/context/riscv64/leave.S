// void hilo_leave_context(context* from, context* to)
//
//   a0  from: left here for good    a1  to: continued
//   a0  to->result, the value that the call which suspended `to` returns
//
// Stack of a suspended context: as in switch.S. Nothing is saved, because `from` never continues.
// Ends in ret to a fiber that waits, and in a jump to a fresh one: x86_64/leave.S says why.

#define CONTEXT_SP 0
#define CONTEXT_ON_CPU 8
#define CONTEXT_RESULT 12
#define FRAME 208

        .macro  kept register, at
        .cfi_offset \register, \at - FRAME
        .endm

        .text
        .globl  hilo_leave_context
        .hidden hilo_leave_context
        .type   hilo_leave_context, @function
        .balign 64
hilo_leave_context:
        .cfi_startproc
        .cfi_remember_state
        ld      sp, CONTEXT_SP(a1)          // now on the stack of `to`
        .cfi_def_cfa_offset FRAME
        kept    ra, 0
        kept    s0, 8
        kept    s1, 16
        kept    s2, 24
        kept    s3, 32
        kept    s4, 40
        kept    s5, 48
        kept    s6, 56
        kept    s7, 64
        kept    s8, 72
        kept    s9, 80
        kept    s10, 88
        kept    s11, 96
        kept    fs0, 104
        kept    fs1, 112
        kept    fs2, 120
        kept    fs3, 128
        kept    fs4, 136
        kept    fs5, 144
        kept    fs6, 152
        kept    fs7, 160
        kept    fs8, 168
        kept    fs9, 176
        kept    fs10, 184
        kept    fs11, 192
        fence   rw, w                       // (S) with the store below: a release
        sw      zero, CONTEXT_ON_CPU(a0)    // the stack of from may be used again from here on
        lwu     a0, CONTEXT_RESULT(a1)      // the suspended call's return value
        ld      ra, 0(sp)                   // where `to` continues; its callee-kept registers follow
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
        lla     t1, hilo_context_entry
        beq     ra, t1, .Lfresh
        ret                                 // after the call that suspended it
.Lfresh:
        jr      t1
        .cfi_endproc
        .size   hilo_leave_context, . - hilo_leave_context

        .section .note.GNU-stack, "", @progbits
